package hostconfig

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"drayage/internal/plaintext"
)

// Files says where to look. The zero value looks nowhere. What does not exist counts as absent, and so does
// what is in a directory that the user may not enter.
type Files struct {
	// ContainerdCerts are directories such as /etc/containerd/certs.d. The first one counts that has a directory
	// for a registry, or one called _default.
	ContainerdCerts []string
	// DockerCerts are directories such as /etc/docker/certs.d. The first one counts that has a directory for a
	// host.
	DockerCerts []string
	// RegistriesConf are the places of podman's configuration. The first one counts whose File exists. If none
	// exists, the last one counts.
	RegistriesConf []RegistriesConf
}

// RegistriesConf is a registries.conf and the directories whose files are read after it.
type RegistriesConf struct {
	File     string
	Dirs     []string // files *.conf, in the order of their names, replace tables of the same prefix
	Required bool     // it is an error if File does not exist
}

// DefaultFiles returns the places where containerd, docker and podman look themselves, the user's before
// those of the system. As with podman, $CONTAINERS_REGISTRIES_CONF names another registries.conf.
func DefaultFiles() Files {
	home, _ := os.UserHomeDir() // empty with an error
	return places{runtime.GOOS, home, os.Getenv}.files()
}

type places struct {
	goos   string
	home   string // empty: there is none
	getenv func(string) string
}

func (p places) files() Files {
	user, system := p.userConfig(), p.systemConfig
	var desktop []string
	if p.goos != "linux" {
		desktop = below(p.home, ".docker/certs.d")
	}
	return Files{
		ContainerdCerts: slices.Concat(below(user, "containerd/certs.d"), system("containerd/certs.d")),
		DockerCerts: slices.Concat(below(user, "containers/certs.d"), below(user, "docker/certs.d"), desktop,
			system("containers/certs.d"), system("docker/certs.d")),
		RegistriesConf: p.registriesConf(),
	}
}

func (p places) registriesConf() []RegistriesConf {
	const file, dir = "containers/registries.conf", "containers/registries.conf.d"
	share := "/usr/share"
	if p.goos == "windows" {
		share = ""
	}
	userDirs := below(p.userConfig(), dir)
	dirs := slices.Concat(below(share, dir), p.systemConfig(dir), userDirs)
	for _, name := range []string{"CONTAINERS_REGISTRIES_CONF", "REGISTRIES_CONFIG_PATH"} {
		if chosen := p.getenv(name); chosen != "" {
			return []RegistriesConf{{File: chosen, Dirs: dirs, Required: true}}
		}
	}
	var all []RegistriesConf
	for _, user := range below(p.userConfig(), file) {
		all = append(all, RegistriesConf{File: user, Dirs: userDirs})
	}
	for _, system := range slices.Concat(p.systemConfig(file), below(share, file)) {
		all = append(all, RegistriesConf{File: system, Dirs: dirs})
	}
	return all
}

func (p places) userConfig() string {
	if dir := p.getenv("XDG_CONFIG_HOME"); dir != "" {
		return dir
	}
	if p.home == "" {
		return ""
	}
	return filepath.Join(p.home, ".config")
}

// systemConfig returns the path of a file that is in /etc on Unix.
func (p places) systemConfig(name string) []string {
	if p.goos != "windows" {
		return below("/etc", name)
	}
	if name == "containerd/certs.d" {
		return below(p.getenv("ProgramFiles"), name)
	}
	return below(p.getenv("ProgramData"), name)
}

// below returns a list of one path, or an empty list if dir is empty.
func below(dir, name string) []string {
	if dir == "" {
		return nil
	}
	return []string{filepath.Join(dir, filepath.FromSlash(name))}
}

// maxFile bounds every file that is read. The bundle of all public CAs has some 250 KB.
const maxFile = 1 << 20

// readFile returns the content of a regular file, text as UTF-8. Its errors name the file.
func readFile(name string) ([]byte, error) {
	// Opening a pipe would wait for its other end.
	fi, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	return plaintext.UTF8(raw), nil
}

// exists reports whether this user can see a file or directory of that name.
func exists(name string) bool {
	_, err := os.Stat(name)
	return !absent(err)
}

func isDir(name string) bool {
	fi, err := os.Stat(name)
	return err == nil && fi.IsDir()
}

// absent reports whether err means that there is nothing that this user can see.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}
