package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Credential is what a user logs in to a registry with. The zero value is anonymous.
type Credential struct {
	Username      string
	Password      string
	IdentityToken string // exchanged for short-lived tokens instead of a password
}

// maxConfigFile bounds docker's config.json.
const maxConfigFile = 4 << 20

func basicAuth(c Credential) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password))
}

// ConfigFile is the auths part of docker's config.json.
type ConfigFile struct {
	Path  string
	auths map[string]authEntry
}

type authEntry struct {
	Auth          string `json:"auth"`
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
}

// DefaultConfigPath is where docker keeps its configuration: $DOCKER_CONFIG/config.json, or
// .docker/config.json in the home directory.
func DefaultConfigPath() string {
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".docker")
	}
	return filepath.Join(dir, "config.json")
}

// LoadConfigFile reads docker's config.json. A file that does not exist is an empty one.
func LoadConfigFile(path string) (*ConfigFile, error) {
	c := &ConfigFile{Path: path}
	if path == "" {
		return c, nil
	}
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	if fi.Size() > maxConfigFile {
		return nil, fmt.Errorf("%s: %d bytes, too large for a docker configuration", path, fi.Size())
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Auths map[string]authEntry `json:"auths"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("%s: not valid JSON: %v", path, err)
	}
	c.auths = doc.Auths
	return c, nil
}

// Credential returns what the file holds for a registry; it has the signature of Client.Credentials.
func (c *ConfigFile) Credential(_ context.Context, registry string) (Credential, error) {
	want := configKey(registry)
	if e, ok := c.auths[registry]; ok {
		return e.credential(c.Path, registry)
	}
	for _, key := range slices.Sorted(maps.Keys(c.auths)) {
		if configKey(key) == want {
			return c.auths[key].credential(c.Path, key)
		}
	}
	return Credential{}, nil
}

// configKey makes the ways to write a registry in config.json comparable: with scheme and path, as old
// clients did, and the several names of Docker Hub.
func configKey(key string) string {
	_, after, found := strings.Cut(key, "://")
	if found {
		key = after
	}
	key, _, _ = strings.Cut(key, "/")
	switch key {
	case "index.docker.io", "registry-1.docker.io":
		return "docker.io"
	}
	return strings.ToLower(key)
}

func (e authEntry) credential(path, key string) (Credential, error) {
	c := Credential{Username: e.Username, Password: e.Password, IdentityToken: e.IdentityToken}
	if e.Auth == "" {
		return c, nil
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimRight(e.Auth, "\x00"))
	user, password, ok := strings.Cut(strings.TrimRight(string(raw), "\x00"), ":")
	if err != nil || !ok {
		return Credential{}, fmt.Errorf("%s: the auth entry of %q is not base64 of user:password", path, key)
	}
	c.Username, c.Password = user, password
	return c, nil
}
