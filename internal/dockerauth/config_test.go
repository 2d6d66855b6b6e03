package dockerauth

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	me := Credential{Username: "me", Password: "pass:word"}
	for name, tc := range map[string]struct {
		key, registry string
		want          Credential
	}{
		"host":            {"registry.example", "registry.example", me},
		"host and port":   {"registry.example:5000", "registry.example:5000", me},
		"other port":      {"registry.example:5000", "registry.example", Credential{}},
		"other host":      {"registry.example", "other.example", Credential{}},
		"part of a name":  {"registry.example", "my.registry.example", Credential{}},
		"case":            {"Registry.Example", "registry.example", me},
		"case, asked":     {"registry.example", "Registry.Example", me},
		"address":         {"https://registry.example/v1/", "registry.example", me},
		"newer address":   {"https://registry.example/v2/", "registry.example", me},
		"http address":    {"http://registry.example:5000", "registry.example:5000", me},
		"address, path":   {"https://registry.example/some/where", "registry.example", me},
		"path of the API": {"registry.example/v1/", "registry.example", me},
		"slash":           {"registry.example/", "registry.example", me},
		"namespace":       {"registry.example/team", "registry.example", Credential{}},
		"docker hub":      {"https://index.docker.io/v1/", "docker.io", me},
		"hub, plain":      {"docker.io", "docker.io", me},
		"hub, index":      {"index.docker.io", "docker.io", me},
		"hub, registry":   {"registry-1.docker.io", "docker.io", me},
		"hub, asked":      {"https://index.docker.io/v1/", "registry-1.docker.io", me},
		"hub's namespace": {"docker.io/library", "docker.io", Credential{}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t)
			b.write(".docker/config.json", `{"auths":{"`+tc.key+`":{"auth":"`+auth("me:pass:word")+
				`"}},"psFormat":"x"}`)
			got, err := b.lookup(tc.registry, "team/app")
			if tc.key == "registry.example/team" {
				got, err = b.lookup(tc.registry, "other/app")
			}
			if err != nil || got != tc.want {
				t.Errorf("%+v, %v; want %+v", got, err, tc.want)
			}
		})
	}
}

func TestEntries(t *testing.T) {
	for name, tc := range map[string]struct {
		entry string
		want  Credential
	}{
		"auth":       {`{"auth":"` + auth("me:secret") + `"}`, Credential{Username: "me", Password: "secret"}},
		"two fields": {`{"username":"me","password":"secret"}`, Credential{Username: "me", Password: "secret"}},
		"NULs": {`{"auth":"` + auth("me:secret\x00\x00") + `"}`,
			Credential{Username: "me", Password: "secret"}},
		"empty password": {`{"auth":"` + auth("me:") + `"}`, Credential{Username: "me"}},
		"identity token": {`{"auth":"` + auth("00000000-0000-0000-0000-000000000000:") + `","identitytoken":"idt"}`,
			Credential{Username: "00000000-0000-0000-0000-000000000000", IdentityToken: "idt"}},
		"registry token": {`{"registrytoken":"rt"}`, Credential{RegistryToken: "rt"}},
		"mark":           {`{}`, Credential{}},
		"null":           {`null`, Credential{}},
		"unknown": {`{"email":"me@example.com","auth":"` + auth("me:secret") + `"}`,
			Credential{Username: "me", Password: "secret"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t)
			b.opts.Strict = true
			b.write(".docker/config.json", `{"auths":{"registry.example":`+tc.entry+`}}`)
			if got, err := b.lookup("registry.example", ""); err != nil || got != tc.want {
				t.Errorf("%+v, %v; want %+v", got, err, tc.want)
			}
		})
	}
}

// The key that docker writes comes before others that mean the same registry.
func TestDockersKeyFirst(t *testing.T) {
	for registry, keys := range map[string][2]string{
		"r.example": {"https://r.example/v1/", "r.example"},
		"docker.io": {"docker.io", hubKey},
	} {
		b := newBox(t)
		b.write(".docker/config.json", `{"auths":{"`+keys[0]+`":{"auth":"`+auth("old:x")+`"},"`+keys[1]+
			`":{"auth":"`+auth("new:x")+`"}}}`)
		b.finds(registry, "", "new")
	}
}

func TestNamespaces(t *testing.T) {
	b := newBox(t)
	b.write("run/containers/auth.json", `{"auths":{
		"r.example":{"auth":"`+auth("host:x")+`"},
		"r.example/team":{"auth":"`+auth("team:x")+`"},
		"r.example/team/app":{"auth":"`+auth("app:x")+`"},
		"r.example/marked":{},
		"docker.io/library":{"auth":"`+auth("library:x")+`"}}}`)
	for path, user := range map[string]string{
		"r.example/team/app": "app", "r.example/team/app/more": "app", "r.example/team/other": "team",
		"r.example/teams/app": "host",
		"r.example/x":         "host", "r.example/marked/x": "host", "r.example/": "host",
		"docker.io/library/alpine": "library", "docker.io/me/app": "",
	} {
		registry, repository, _ := strings.Cut(path, "/")
		b.finds(registry, repository, user)
	}
}

func TestDamagedFile(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": "auths:\n  - a\n", "cut off": `{"auths":{`, "array": "[]",
		"wrong type": `{"auths":{"a":{"auth":7777}}}`, "more": `{} {}`,
	} {
		b := newBox(t)
		path := b.write(".docker/config.json", text)
		b.write("run/containers/auth.json", entryOf("r.example", "ann"))
		b.finds("r.example", "", "ann")
		b.told(path)
		b.opts.Strict = true
		if _, err := b.lookup("r.example", ""); err == nil || !strings.Contains(err.Error(), path) ||
			strings.Contains(err.Error(), "7777") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestDamagedEntry(t *testing.T) {
	for name, value := range map[string]string{"no base64": "%%%", "no colon": auth("secret")} {
		b := newBox(t)
		path := b.write(".docker/config.json", `{"auths":{"good.example":{"auth":"`+auth("a:b")+
			`"},"bad.example":{"auth":"`+value+`"}}}`)
		b.finds("good.example", "", "a")
		b.told()
		b.finds("bad.example", "", "")
		b.told(path, "bad.example")
		b.opts.Strict = true
		b.finds("good.example", "", "a")
		_, err := b.lookup("bad.example", "")
		if err == nil || !strings.Contains(err.Error(), "bad.example") || strings.Contains(err.Error(), "secret") ||
			strings.Contains(err.Error(), value) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestEmptyFile(t *testing.T) {
	b := newBox(t)
	b.opts.Strict = true
	b.write(".docker/config.json", "\n")
	b.write(".dockercfg", "")
	b.finds("docker.io", "", "")
}

func TestLargeFile(t *testing.T) {
	b := newBox(t)
	b.opts.AuthFile = writeConfig(t, `{"x":"`+strings.Repeat("x", maxFile)+`"}`)
	if _, err := b.lookup("docker.io", ""); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Error(err)
	}
}

// A file that cannot be read is no reason to fail, unless it has been chosen: a home directory may be
// somebody else's.
func TestUnreadableFile(t *testing.T) {
	b := newBox(t)
	b.opts.Strict = true
	b.write(".docker/config.json/is/a/directory", "")
	b.write("run/containers/auth.json", entryOf("r.example", "ann"))
	b.finds("r.example", "", "ann")
	b.told(filepath.Join(".docker", "config.json"))
	b.opts.AuthFile = filepath.Join(b.home, ".docker", "config.json")
	if _, err := b.lookup("r.example", ""); err == nil {
		t.Error("a directory is read as a configuration")
	}
}
