package registry

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func auth(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigFileKeys(t *testing.T) {
	me := Credential{Username: "me", Password: "pass:word"}
	for name, tc := range map[string]struct {
		key, registry string
		want          Credential
	}{
		"host":           {"registry.example", "registry.example", me},
		"host and port":  {"registry.example:5000", "registry.example:5000", me},
		"other port":     {"registry.example:5000", "registry.example", Credential{}},
		"other host":     {"registry.example", "other.example", Credential{}},
		"part of a name": {"registry.example", "my.registry.example", Credential{}},
		"case":           {"Registry.Example", "registry.example", me},
		"address":        {"https://registry.example/v1/", "registry.example", me},
		"newer address":  {"https://registry.example/v2/", "registry.example", me},
		"http address":   {"http://registry.example:5000", "registry.example:5000", me},
		"docker hub":     {"https://index.docker.io/v1/", "docker.io", me},
		"hub, plain":     {"docker.io", "docker.io", me},
		"hub, index":     {"index.docker.io", "docker.io", me},
		"hub, registry":  {"registry-1.docker.io", "docker.io", me},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := LoadConfigFile(writeConfig(t, `{"auths":{"`+tc.key+`":{"auth":"`+auth("me:pass:word")+`"}},"credsStore":"desktop"}`))
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Credential(t.Context(), tc.registry)
			if err != nil || got != tc.want {
				t.Errorf("%+v, %v; want %+v", got, err, tc.want)
			}
		})
	}
}

func TestConfigFileEntries(t *testing.T) {
	for name, tc := range map[string]struct {
		entry string
		want  Credential
	}{
		"auth":           {`{"auth":"` + auth("me:secret") + `"}`, Credential{Username: "me", Password: "secret"}},
		"two fields":     {`{"username":"me","password":"secret"}`, Credential{Username: "me", Password: "secret"}},
		"NULs":           {`{"auth":"` + auth("me:secret\x00\x00") + `"}`, Credential{Username: "me", Password: "secret"}},
		"empty password": {`{"auth":"` + auth("me:") + `"}`, Credential{Username: "me"}},
		"identity token": {`{"auth":"` + auth("00000000-0000-0000-0000-000000000000:") + `","identitytoken":"idt"}`,
			Credential{Username: "00000000-0000-0000-0000-000000000000", IdentityToken: "idt"}},
		"empty":   {`{}`, Credential{}},
		"unknown": {`{"email":"me@example.com","auth":"` + auth("me:secret") + `"}`, Credential{Username: "me", Password: "secret"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := LoadConfigFile(writeConfig(t, `{"auths":{"registry.example":`+tc.entry+`}}`))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.Credential(t.Context(), "registry.example"); err != nil || got != tc.want {
				t.Errorf("%+v, %v; want %+v", got, err, tc.want)
			}
		})
	}
}

// A key that is spelled exactly as the registry comes before others that mean it too.
func TestConfigFileExactKeyFirst(t *testing.T) {
	c, err := LoadConfigFile(writeConfig(t, `{"auths":{"https://r.example/v1/":{"auth":"`+auth("old:x")+`"},"r.example":{"auth":"`+auth("new:x")+`"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Credential(t.Context(), "r.example"); err != nil || got.Username != "new" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestConfigFileDamaged(t *testing.T) {
	for name, text := range map[string]string{"no JSON": "auths:\n  - a\n", "cut off": `{"auths":{`, "array": "[]", "wrong types": `{"auths":{"a":{"auth":7}}}`} {
		if _, err := LoadConfigFile(writeConfig(t, text)); err == nil || !strings.Contains(err.Error(), "config.json") {
			t.Errorf("%s: error %v does not name the file", name, err)
		}
	}
	for name, value := range map[string]string{"no base64": "%%%", "no colon": auth("secret")} {
		c, err := LoadConfigFile(writeConfig(t, `{"auths":{"good.example":{"auth":"`+auth("a:b")+`"},"bad.example":{"auth":"`+value+`"}}}`))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Credential(t.Context(), "bad.example")
		if err == nil || !strings.Contains(err.Error(), "bad.example") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v", name, err)
		}
		if got, err := c.Credential(t.Context(), "good.example"); err != nil || got.Username != "a" {
			t.Errorf("%s: another entry gives %+v, %v", name, got, err)
		}
	}
}

func TestConfigFileMissing(t *testing.T) {
	for _, path := range []string{"", filepath.Join(t.TempDir(), "none.json")} {
		c, err := LoadConfigFile(path)
		if err != nil {
			t.Fatalf("%q: %v", path, err)
		}
		if got, err := c.Credential(t.Context(), "docker.io"); err != nil || got != (Credential{}) {
			t.Errorf("%q: %+v, %v", path, got, err)
		}
	}
	if _, err := LoadConfigFile(t.TempDir()); err == nil {
		t.Error("a directory is read as a configuration")
	}
}

func TestDefaultConfigPath(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", "/some/where")
	if got := DefaultConfigPath(); got != filepath.Join("/some/where", "config.json") {
		t.Error(got)
	}
	t.Setenv("DOCKER_CONFIG", "")
	t.Setenv("HOME", "/home/me")
	t.Setenv("USERPROFILE", "/home/me")
	if got := DefaultConfigPath(); got != filepath.Join("/home/me", ".docker", "config.json") {
		t.Error(got)
	}
}
