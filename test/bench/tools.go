//go:build linux

package bench

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// tool is a program that does some of the work.
type tool struct {
	name    string
	path    string // empty if it is not here
	version string
	get     string // how to get it
}

// toolbox holds the tools in the order of the tables.
type toolbox []tool

func (b toolbox) path(name string) string {
	for _, t := range b {
		if t.name == name {
			return t.path
		}
	}
	return ""
}

const newSkopeo = `CGO_ENABLED=0 go install -tags containers_image_openpgp,exclude_graphdriver_btrfs,exclude_graphdriver_devicemapper ` +
	`github.com/containers/skopeo/cmd/skopeo@latest`

// findTools looks for each tool in the directory of peers first, then in PATH. The skopeo of PATH, which is a
// distribution's, and that of peers, or one with another name, are two tools.
func findTools(ctx context.Context, drayage, peers string) toolbox {
	// an ordinary user's PATH does not look there
	path := append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin")
	dirs := path
	if peers != "" {
		dirs = append([]string{peers}, path...)
	}
	box := toolbox{
		{name: "drayage", path: drayage},
		{name: "crane", get: "go install github.com/google/go-containerregistry/cmd/crane@v0.22.1"},
		{name: "skopeo", path: lookIn(path, "skopeo"), get: "apt-get install skopeo"},
		{name: "skopeo-new", get: newSkopeo + ", as skopeo-new"},
		{name: "regctl", get: "go install github.com/regclient/regclient/cmd/regctl@v0.11.7"},
		{name: "oras", get: "go install oras.land/oras/cmd/oras@latest"},
		{name: "par2", get: "apt-get install par2"},
		{name: "hauler", get: "see its project; it installs by no package manager"},
		{name: "docker", get: "apt-get install docker.io; only root starts its daemon"},
		{name: "curl", get: "apt-get install curl"},
		{name: "nginx", get: "apt-get install nginx-light"},
		{name: "docker-registry", get: "apt-get install docker-registry"},
	}
	for i := range box {
		t := &box[i]
		if t.path == "" {
			t.path = lookIn(dirs, t.name)
		}
		switch {
		case t.name == "skopeo-new" && t.path == "" && peers != "":
			t.path = lookIn([]string{peers}, "skopeo")
		case t.name == "docker" && t.path != "": // what Docker does, its daemon does
			t.version = version(ctx, tool{path: lookIn(dirs, "dockerd")})
			continue
		}
		t.version = version(ctx, *t)
	}
	return box
}

func lookIn(dirs []string, name string) string {
	for _, dir := range dirs {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			if path, err = filepath.Abs(path); err == nil {
				return path
			}
		}
	}
	return ""
}

var number = regexp.MustCompile(`v?[0-9]+\.[0-9][-+.0-9A-Za-z~]*`)

// version is the first thing in the output that looks like one.
func version(ctx context.Context, t tool) string {
	if t.path == "" {
		return ""
	}
	args := map[string]string{"crane": "version", "regctl": "version", "oras": "version", "hauler": "version",
		"nginx": "-v"}
	arg, ok := args[t.name]
	if !ok {
		arg = "--version"
	}
	out, err := exec.CommandContext(ctx, t.path, arg).CombinedOutput() // nginx tells it on standard error
	if err != nil {
		return "of unknown version"
	}
	if _, of, ok := strings.Cut(string(out), "GitVersion:"); ok { // hauler: the Go release stands behind it
		return strings.Fields(of + " unknown")[0]
	}
	if v := number.FindString(string(out)); v != "" {
		return v
	}
	if words := strings.Fields(string(out)); len(words) > 0 {
		return words[len(words)-1]
	}
	return "of unknown version"
}
