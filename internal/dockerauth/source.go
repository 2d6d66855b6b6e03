package dockerauth

import (
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
	chosen bool   // by the user, so that it has to be there
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

// places lists the places in the order in which they count.
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
	if s.opts.AuthFile != "" {
		return s.opts.AuthFile
	}
	return s.opts.Getenv("REGISTRY_AUTH_FILE")
}

func (s *Store) home() string {
	if runtime.GOOS == "windows" {
		return s.opts.Getenv("USERPROFILE")
	}
	return s.opts.Getenv("HOME")
}

// dockerFile is docker's configuration. It is empty on a system that does not say where the user is at home.
func (s *Store) dockerFile() string {
	dir := s.opts.Getenv("DOCKER_CONFIG")
	if dir == "" {
		if s.home() == "" {
			return ""
		}
		dir = filepath.Join(s.home(), ".docker")
	}
	return filepath.Join(dir, "config.json")
}

// podmanFiles are those of containers-auth.json(5), and the one that docker had before config.json.
func (s *Store) podmanFiles() []place {
	const name = "containers/auth.json"
	var all []place
	add := func(dir, name string, old bool) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if dir != "" && (len(all) == 0 || all[len(all)-1].path != path) {
			all = append(all, place{path: path, old: old})
		}
	}
	dotConfig := ""
	if s.home() != "" {
		dotConfig = filepath.Join(s.home(), ".config")
	}
	run := s.opts.Getenv("XDG_RUNTIME_DIR")
	switch {
	case runtime.GOOS != "linux":
		add(dotConfig, name, false)
	case run != "":
		add(run, name, false)
	default:
		add("/run/containers", strconv.Itoa(os.Getuid())+"/auth.json", false)
	}
	if dir := s.opts.Getenv("XDG_CONFIG_HOME"); dir != "" {
		add(dir, name, false)
	} else {
		add(dotConfig, name, false)
	}
	add(s.home(), ".dockercfg", true)
	return all
}

func readSources(places []place) []source {
	var all []source
	for _, p := range places {
		all = append(all, p.read())
	}
	return all
}

// read parses what is at a place. A file that is not there is empty, unless the user has chosen it.
func (p place) read() source {
	src := source{place: p.path, entriesOnly: p.text != "", must: p.chosen}
	raw := []byte(p.text)
	if p.text == "" {
		var err error
		raw, err = readFile(p.path)
		if errors.Is(err, fs.ErrNotExist) && !p.chosen {
			return src
		}
		if err != nil {
			src.err, src.may = &Error{p.path, durable.Cause(err).Error()}, !p.chosen
			return src
		}
	}
	parse := parseConfig
	if p.old {
		parse = parseDockercfg
	}
	var err error
	if src.config, err = parse(raw); err != nil {
		src.err = &Error{p.path, err.Error()}
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
