package dockerauth

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"drayage/internal/durable"
	"drayage/internal/plaintext"
)

// config is what docker's config.json or podman's auth.json says about credentials.
type config struct {
	Auths       map[string]entry  `json:"auths"`
	CredHelpers map[string]string `json:"credHelpers"`
	CredsStore  string            `json:"credsStore"`
}

// entry is what a file itself holds for one key. An empty entry marks that a helper has the credentials.
type entry struct {
	Auth          string `json:"auth"`
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// parseConfig reads a file. ~/.dockercfg, which is older than config.json, holds only the entries.
func parseConfig(raw []byte, onlyEntries bool) (c config, err error) {
	if onlyEntries {
		err = unmarshal(raw, &c.Auths)
	} else {
		err = unmarshal(raw, &c)
	}
	return c, err
}

// unmarshal is json.Unmarshal with two differences. A text of spaces is an empty document, because some
// programs make their files so. Errors repeat no part of the text, which may be a secret.
func unmarshal(raw []byte, v any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch err := json.Unmarshal(raw, v); {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		return fmt.Errorf("not valid JSON, at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Errorf("a value has the wrong type, at byte %d", kind.Offset)
	}
	return errors.New("not valid JSON")
}

// helper is the name of the helper that is configured for a registry, or empty. An empty name in credHelpers
// turns off credsStore for that registry.
func (c *config) helper(registry string) string {
	if keys := matches(c.CredHelpers, normalize(registry)); len(keys) > 0 {
		return c.CredHelpers[keys[0]]
	}
	return c.CredsStore
}

// find returns the entry for a repository, and its key.
func (c *config) find(registry, repository string) (string, entry, bool) {
	for _, name := range candidates(registry, repository) {
		for _, key := range matches(c.Auths, name) {
			if e := c.Auths[key]; e != (entry{}) {
				return key, e, true
			}
		}
	}
	return "", entry{}, false
}

// matches are the keys that mean name. The key that docker would write comes first, then name itself, then
// all others.
func matches[V any](m map[string]V, name string) []string {
	rank := func(key string) int {
		switch key {
		case serverKey(name):
			return 0
		case name:
			return 1
		}
		return 2
	}
	var keys []string
	for key := range maps.Keys(m) {
		if normalize(key) == name {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(rank(a)-rank(b), strings.Compare(a, b)) })
	return keys
}

func (e entry) credential(place, key string) (Credential, error) {
	c := Credential{e.Username, e.Password, e.IdentityToken, e.RegistryToken}
	if e.Auth == "" {
		return c, nil
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimRight(e.Auth, "\x00"))
	user, password, ok := strings.Cut(strings.TrimRight(string(raw), "\x00"), ":")
	if err != nil || !ok {
		return Credential{}, &Error{place, fmt.Sprintf("the auth entry of %q is not base64 of user:password", key)}
	}
	c.Username, c.Password = user, password
	return c, nil
}

const (
	hub    = "docker.io"                   // Docker Hub in the names of images
	hubKey = "https://index.docker.io/v1/" // Docker Hub in docker's files and to credential helpers
)

// serverKey returns the key of a registry in docker's files and for helpers.
func serverKey(registry string) string {
	if normalize(registry) == hub {
		return hubKey
	}
	return registry
}

// normalize gives one form to all ways to write a key. Old clients wrote a scheme and a path of the API, and
// Docker Hub has several names. Any other path stays: in podman's files it belongs to the repository.
func normalize(key string) string {
	if _, address, isURL := strings.Cut(key, "://"); isURL {
		key, _, _ = strings.Cut(address, "/")
	}
	for _, end := range []string{"/v1/", "/v2/", "/"} {
		key = strings.TrimSuffix(key, end)
	}
	name, path, hasPath := strings.Cut(key, "/")
	switch name = strings.ToLower(name); name {
	case "index.docker.io", "registry-1.docker.io":
		name = hub
	}
	if hasPath {
		return name + "/" + path
	}
	return name
}

// candidates are the names under which there may be something for a repository, in the form of normalize:
// HOST/NAMESPACE/IMAGE, HOST/NAMESPACE, HOST.
func candidates(registry, repository string) []string {
	registry = normalize(registry)
	var all []string
	for path := repository; path != ""; {
		all = append(all, registry+"/"+path)
		i := strings.LastIndex(path, "/")
		path = path[:max(i, 0)]
	}
	return append(all, registry)
}

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
	ofRoot bool   // in a directory that root makes, often for root alone
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
		all[len(all)-1].ofRoot = true
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
	raw, err := plaintext.UTF8([]byte(p.text)), error(nil)
	if p.text == "" {
		raw, err = readFile(p.path)
	}
	switch {
	case err == nil:
		if src.config, err = parseConfig(raw, p.old); err != nil {
			src.err = &Error{p.path, err.Error()}
		}
	case p.ofRoot && p.closed():
	case p.chosen || !errors.Is(err, fs.ErrNotExist):
		src.err, src.may = &Error{p.path, durable.Cause(err).Error()}, !p.chosen
	}
	return src
}

// closed reports whether the user may not even look whether there is a file.
func (p place) closed() bool {
	_, err := os.Lstat(p.path)
	return errors.Is(err, fs.ErrPermission)
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
	return plaintext.UTF8(raw), err
}
