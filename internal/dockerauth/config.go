package dockerauth

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// config is what docker's config.json and podman's auth.json say about credentials.
type config struct {
	Auths       map[string]entry  `json:"auths"`
	CredHelpers map[string]string `json:"credHelpers"`
	CredsStore  string            `json:"credsStore"`
}

// entry is what a file itself holds for one key. An empty entry means that a helper has it.
type entry struct {
	Auth          string `json:"auth"`
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// parseConfig reads a file. A file without content is empty: some programs make such files.
func parseConfig(raw []byte) (config, error) {
	var c config
	if len(bytes.TrimSpace(raw)) == 0 {
		return c, nil
	}
	return c, describeJSON(json.Unmarshal(raw, &c))
}

// parseDockercfg reads ~/.dockercfg, which is older than config.json and holds nothing but entries.
func parseDockercfg(raw []byte) (config, error) {
	var c config
	if len(bytes.TrimSpace(raw)) == 0 {
		return c, nil
	}
	return c, describeJSON(json.Unmarshal(raw, &c.Auths))
}

// describeJSON says what is wrong without the words of encoding/json, which repeat parts of the text.
func describeJSON(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		return fmt.Errorf("not valid JSON, at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Errorf("a value has the wrong type, at byte %d", kind.Offset)
	}
	return errors.New("not valid JSON")
}

// helper is the helper that is configured for a registry, or empty. An empty one that is configured turns off
// the general one.
func (c *config) helper(registry string) string {
	if key, ok := match(c.CredHelpers, normalize(registry)); ok {
		return c.CredHelpers[key]
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

func match[V any](m map[string]V, name string) (string, bool) {
	if keys := matches(m, name); len(keys) > 0 {
		return keys[0], true
	}
	return "", false
}

// matches returns the keys that mean name: first as docker writes it, then name itself, then all others.
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
	// hub is Docker Hub in image names.
	hub = "docker.io"
	// hubKey is Docker Hub in docker's files and for credential helpers.
	hubKey = "https://index.docker.io/v1/"
)

// serverKey returns the key of a registry in docker's files and for helpers.
func serverKey(registry string) string {
	if normalize(registry) == hub {
		return hubKey
	}
	return registry
}

// normalize makes keys comparable. Old clients wrote a scheme and the path of the API, and Docker Hub has
// several names. Any other path stays: in podman's files it is a part of the repository's path.
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

// candidates are the keys, as normalize returns them, under which there may be something for a repository:
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
