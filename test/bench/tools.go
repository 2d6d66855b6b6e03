//go:build linux

package bench

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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

const skopeoFlags = `CGO_ENABLED=0 go install -tags containers_image_openpgp,exclude_graphdriver_btrfs,exclude_graphdriver_devicemapper ` +
	`github.com/containers/skopeo/cmd/skopeo@latest`

// findTools looks for each tool in the directory of peers first, then in PATH. Two skopeos of different versions are two tools.
func findTools(ctx context.Context, drayage, peers string) toolbox {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	if peers != "" {
		dirs = append([]string{peers}, dirs...)
	}
	box := toolbox{
		{name: "crane", get: "go install github.com/google/go-containerregistry/cmd/crane@latest"},
		{name: "skopeo", get: "apt-get install skopeo"},
		{name: "skopeo-new", get: skopeoFlags + ", as skopeo-new"},
		{name: "regctl", get: "go install github.com/regclient/regclient/cmd/regctl@latest"},
		{name: "oras", get: "go install oras.land/oras/cmd/oras@latest"},
		{name: "docker", get: "apt-get install docker.io; its daemon is started by root only"},
		{name: "curl", get: "apt-get install curl; without it the limit of downloads is measured by a Go program"},
	}
	for i := range box {
		box[i].path = lookIn(dirs, box[i].name)
		box[i].version = version(ctx, box[i])
	}
	// What Docker does, its daemon does.
	if i := slices.IndexFunc(box, func(t tool) bool { return t.name == "docker" }); box[i].path != "" {
		box[i].version = version(ctx, tool{path: lookIn(append(dirs, "/usr/sbin"), "dockerd")})
	}
	drayageTool := tool{name: "drayage", path: drayage}
	drayageTool.version = version(ctx, drayageTool)
	return slices.Insert(box, 0, drayageTool)
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
	args := map[string]string{"crane": "version", "regctl": "version", "oras": "version"}
	arg, ok := args[t.name]
	if !ok {
		arg = "--version"
	}
	out, err := exec.CommandContext(ctx, t.path, arg).Output()
	if err != nil {
		return "of unknown version"
	}
	if v := number.FindString(string(out)); v != "" {
		return v
	}
	if words := strings.Fields(string(out)); len(words) > 0 {
		return words[len(words)-1]
	}
	return "of unknown version"
}
