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
