package dockerauth

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"drayage/internal/durable"
)

// maxFile bounds a configuration file. One with credentials for thousands of repositories is smaller.
const maxFile = 4 << 20

// envAuths is the variable that docker reads entries from
// (https://docs.docker.com/reference/cli/docker/#environment-variables).
const envAuths = "DOCKER_AUTH_CONFIG"

// place is where credentials may be.
type place struct {
	path   string
	text   string // instead of a file: the value of the variable that path names
	old    bool   // in the format of .dockercfg
	chosen bool   // by the user, so it has to be there
}

// source is what has been read from a place.
type source struct {
	place       string
	config      config
	entriesOnly bool  // helpers that it names do not count
	err         error // why there is nothing
	must        bool  // err ends a search
	may         bool  // err never ends a search
}

// places lists where to look, in order.
func (s *Store) places() []place {
	var all []place
	if text := s.opts.Getenv(envAuths); text != "" {
		all = append(all, place{path: envAuths, text: text})
	}
	if file := s.chosenFile(); file != "" {
		return append(all, place{path: file, chosen: true})
	}
	if file := s.dockerFile(); file != "" {
		all = append(all, place{path: file})
	}
	return append(all, s.podmanFiles()...)
}

// chosenFile is the one file that the user wants, or empty.
func (s *Store) chosenFile() string {
	return cmp.Or(s.opts.AuthFile, s.opts.Getenv("REGISTRY_AUTH_FILE"))
}

func (s *Store) home() string {
	if runtime.GOOS == "windows" {
		return s.opts.Getenv("USERPROFILE")
	}
	return s.opts.Getenv("HOME")
}

// dockerFile is docker's configuration, or empty where the environment names no home directory.
func (s *Store) dockerFile() string {
	if dir := s.opts.Getenv("DOCKER_CONFIG"); dir != "" {
		return filepath.Join(dir, "config.json")
	}
	if s.home() == "" {
		return ""
	}
	return filepath.Join(s.home(), ".docker", "config.json")
}

// podmanFiles are the files of containers-auth.json(5), and the one that docker had before config.json.
func (s *Store) podmanFiles() []place {
	const name = "containers/auth.json"
	var all []place
	add := func(dir, name string) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if dir != "" && (len(all) == 0 || all[len(all)-1].path != path) {
			all = append(all, place{path: path, old: name == ".dockercfg"})
		}
	}
	dotConfig := ""
	if s.home() != "" {
		dotConfig = filepath.Join(s.home(), ".config")
	}
	run := s.opts.Getenv("XDG_RUNTIME_DIR")
	switch {
	case runtime.GOOS != "linux":
		add(dotConfig, name)
	case run != "":
		add(run, name)
	default:
		add("/run/containers", strconv.Itoa(os.Getuid())+"/auth.json")
	}
	add(cmp.Or(s.opts.Getenv("XDG_CONFIG_HOME"), dotConfig), name)
	add(s.home(), ".dockercfg")
	return all
}

// readSources reads all places.
func (s *Store) readSources() []source {
	var all []source
	for _, p := range s.places() {
		all = append(all, p.read())
	}
	return all
}

// read parses what is at a place. A file that does not exist is empty, unless the user has chosen it.
func (p place) read() source {
	src := source{place: p.path, entriesOnly: p.text != "", must: p.chosen}
	raw, err := []byte(p.text), error(nil)
	if p.text == "" {
		raw, err = readFile(p.path)
	}
	switch {
	case err == nil:
		if src.config, err = parseConfig(raw, p.old); err != nil {
			src.err = &Error{p.path, err.Error()}
		}
	case p.chosen || !errors.Is(err, fs.ErrNotExist):
		src.err, src.may = &Error{p.path, durable.Cause(err).Error()}, !p.chosen
	}
	return src
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f)
}

func readAll(f *os.File) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(raw) > maxFile {
		err = fmt.Errorf("larger than %d bytes: not a file with credentials", maxFile)
	}
	return raw, err
}
