package dockerauth

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

var ann = Credential{Username: "ann", Password: "secret"}

func (b *box) save(registry string, c Credential) Place {
	b.Helper()
	place, err := New(b.opts).Save(b.Context(), registry, c)
	if err != nil {
		b.Fatal(err)
	}
	return place
}

func (b *box) remove(registry string) bool {
	b.Helper()
	_, removed, err := New(b.opts).Remove(b.Context(), registry)
	if err != nil {
		b.Fatal(err)
	}
	return removed
}

// holds fails unless a file has this text and is for its owner only.
func (b *box) holds(name, text string) {
	b.Helper()
	path := filepath.Join(b.home, filepath.FromSlash(name))
	raw, err := os.ReadFile(path)
	if err != nil || string(raw) != text {
		b.Errorf("%s, %v:\n%s\nwant:\n%s", name, err, raw, text)
	}
	if fi, err := os.Stat(path); err == nil && runtime.GOOS != "windows" && fi.Mode().Perm() != 0o600 {
		b.Errorf("%s: mode %v", name, fi.Mode())
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	for _, l := range left {
		if strings.HasSuffix(l, ".tmp") || strings.HasSuffix(l, ".lock") && runtime.GOOS != "windows" {
			b.Errorf("%s is left behind, %v", l, err)
		}
	}
}

func TestSaveNewFile(t *testing.T) {
	b := newBox(t)
	if place := b.save("r.example:5000", ann); place != (Place{File: filepath.Join(b.home, ".docker",
		"config.json")}) {
		t.Errorf("%+v", place)
	}
	b.holds(".docker/config.json", "{\n\t\"auths\": {\n\t\t\"r.example:5000\": {\n\t\t\t\"auth\": \""+
		auth("ann:secret")+"\"\n\t\t}\n\t}\n}")
	if fi, err := os.Stat(filepath.Join(b.home, ".docker")); err != nil ||
		runtime.GOOS != "windows" && fi.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	if c, err := b.lookup("r.example:5000", ""); err != nil || c != ann {
		t.Errorf("%+v, %v", c, err)
	}
	if !b.remove("r.example:5000") || b.remove("r.example:5000") {
		t.Error("it was not removed once")
	}
	b.holds(".docker/config.json", "{\n\t\"auths\": {}\n}")
}

// What others have written stays as it is: fields, their order, numbers, escapes, spaces.
func TestSaveKeepsTheRest(t *testing.T) {
	A, B := auth("ann:secret"), auth("bob:x")
	for name, tc := range map[string]struct{ before, after string }{
		"fields": {
			"{\n  \"z\": 1.00,\n  \"auths\": {\n    \"a.example\": {\n      \"auth\": \"" + B +
				"\"\n    }\n  },\n  \"psFormat\": \"<\\u0041&>\"\n}\n",
			"{\n  \"z\": 1.00,\n  \"auths\": {\n    \"a.example\": {\n      \"auth\": \"" + B +
				"\"\n    },\n    \"r.example\": {\n      \"auth\": \"" + A +
				"\"\n    }\n  },\n  \"psFormat\": \"<\\u0041&>\"\n}\n",
		},
		"no auths": {"{\n    \"currentContext\": \"x\"\n}",
			"{\n    \"currentContext\": \"x\",\n    \"auths\": {\n        \"r.example\": {\n            \"auth\": \"" +
				A + "\"\n        }\n    }\n}"},
		"one line": {`{"auths": {}, "x": [1, 2]}`, `{"auths":{"r.example":{"auth":"` + A + `"}},"x":[1,2]}`},
		"entry's fields": {
			`{"auths":{"r.example":{"email":"a@b","auth":"` + B + `","identitytoken":"old","Password":"old"},"z":{}}}`,
			`{"auths":{"r.example":{"email":"a@b","auth":"` + A + `"},"z":{}}}`,
		},
		"other spellings": {
			`{"auths":{"https://r.example/v1/":{"auth":"` + B + `","email":"a@b"},"R.example":{"auth":"` + B +
				`"},"r.example/team":{"auth":"` + B + `"},"r.example:5000":{}}}`,
			`{"auths":{"r.example":{"email":"a@b","auth":"` + A + `"},"r.example/team":{"auth":"` + B +
				`"},"r.example:5000":{}}}`,
		},
		"null": {`{"auths":null}`, `{"auths":{"r.example":{"auth":"` + A + `"}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t)
			b.write(".docker/config.json", tc.before)
			b.save("r.example", ann)
			b.holds(".docker/config.json", tc.after)
			b.save("r.example", ann)
			b.holds(".docker/config.json", tc.after)
		})
	}
}

func TestSaveDockerHub(t *testing.T) {
	b := newBox(t)
	b.write(".docker/config.json", `{"auths":{"docker.io":{"auth":"`+auth("old:x")+`"},"other.example":{}}}`)
	b.save("docker.io", ann)
	b.holds(".docker/config.json", `{"auths":{"https://index.docker.io/v1/":{"auth":"`+auth("ann:secret")+
		`"},"other.example":{}}}`)
	b.finds("docker.io", "", "ann")
	if !b.remove("docker.io") {
		t.Error("nothing removed")
	}
	b.holds(".docker/config.json", `{"auths":{"other.example":{}}}`)
}

func TestSaveIdentityToken(t *testing.T) {
	b := newBox(t)
	b.write(".docker/config.json", `{"auths":{}}`)
	c := Credential{Username: "ann", IdentityToken: "idt"}
	b.save("r.example", c)
	b.holds(".docker/config.json", `{"auths":{"r.example":{"auth":"`+auth("ann:")+`","identitytoken":"idt"}}}`)
	if got, err := b.lookup("r.example", ""); err != nil || got != c {
		t.Errorf("%+v, %v", got, err)
	}
}

// An authfile is made where it is wanted, whatever docker's configuration says.
func TestSaveAuthFile(t *testing.T) {
	b := newBox(t)
	b.write(".docker/config.json", `{"credsStore":"does-not-exist"}`)
	b.opts.AuthFile = filepath.Join(b.home, "new", "auth.json")
	b.save("r.example", ann)
	b.finds("r.example", "team/app", "ann")
	if !b.remove("r.example") {
		t.Error("nothing removed")
	}
	b.holds("new/auth.json", "{\n\t\"auths\": {}\n}")
}

func TestSaveByHelper(t *testing.T) {
	dir := installHelper(t, "fake", fakeHelper)
	b := newBox(t)
	b.opts.Strict = true
	b.write(".docker/config.json", `{"auths":{"docker.io":{"auth":"`+auth("old:x")+`"}},"credsStore":"fake"}`)
	for _, registry := range []string{"docker.io", "r.example"} {
		if place := b.save(registry, ann); place.Helper != "docker-credential-fake" {
			t.Errorf("%+v", place)
		}
		b.finds(registry, "", "ann")
	}
	b.holds(".docker/config.json",
		`{"auths":{"https://index.docker.io/v1/":{},"r.example":{}},"credsStore":"fake"}`)
	b.save("r.example", Credential{Username: "ann", IdentityToken: "idt"})
	if c, err := b.lookup("r.example", ""); err != nil || c != (Credential{IdentityToken: "idt"}) {
		t.Errorf("%+v, %v", c, err)
	}
	for _, registry := range []string{"docker.io", "r.example"} {
		if !b.remove(registry) || b.remove(registry) {
			t.Errorf("%s was not removed once", registry)
		}
		b.finds(registry, "", "")
	}
	b.holds(".docker/config.json", `{"auths":{},"credsStore":"fake"}`)
	log := strings.Join(asked(t, dir), "\n")
	if strings.Count(log, "erase ") != 2 {
		t.Errorf("who has nothing is asked to erase it:\n%s", log)
	}
}

func TestSaveHelperFails(t *testing.T) {
	installHelper(t, "full", "#!/bin/sh\ncat >/dev/null\necho no room\nexit 1\n")
	installHelper(t, "echo", "#!/bin/sh\ncat\nexit 1\n")
	installHelper(t, "tell", "#!/bin/sh\ncat >/dev/null\necho no room for secret\nexit 1\n")
	for store, says := range map[string]string{"full": `"no room"`, "echo": "exit status 1",
		"tell": "exit status 1", "missing": "no such program"} {
		b := newBox(t)
		text := `{"auths": {"r.example": {}}, "credsStore": "` + store + `"}`
		b.write(".docker/config.json", text)
		_, err := New(b.opts).Save(t.Context(), "r.example", ann)
		if err == nil || !strings.Contains(err.Error(), "docker-credential-"+store) ||
			!strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("save: %v", err)
		}
		if _, _, err := New(b.opts).Remove(t.Context(), "r.example"); err == nil ||
			!strings.Contains(err.Error(), "docker-credential-"+store) {
			t.Errorf("remove: %v", err)
		}
		b.holds(".docker/config.json", text)
	}
}

// A file that cannot be understood is not written over.
func TestSaveDamagedFile(t *testing.T) {
	for _, text := range []string{"{", "[]", `{"auths":[]}`, `{"auths":{"r.example":7}}`,
		`{"auths":{},"AUTHS":{}}`, `{} x`} {
		b := newBox(t)
		path := b.write(".docker/config.json", text)
		if _, err := New(b.opts).Save(t.Context(), "r.example", ann); err == nil ||
			!strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", text, err)
		}
		if _, _, err := New(b.opts).Remove(t.Context(), "r.example"); err == nil {
			t.Errorf("%s: removed", text)
		}
		b.holds(".docker/config.json", text)
	}
}

func TestSaveRefused(t *testing.T) {
	b := newBox(t)
	for _, c := range []Credential{{}, {Password: "x"}, {Username: "a:b", Password: "x"}, {RegistryToken: "x"}} {
		if _, err := New(b.opts).Save(t.Context(), "r.example", c); err == nil {
			t.Errorf("%+v is saved", c)
		}
	}
	delete(b.env, "HOME")
	delete(b.env, "USERPROFILE")
	if _, err := New(b.opts).Save(t.Context(), "r.example", ann); err == nil {
		t.Error("saved nowhere")
	}
	if b.remove("r.example") {
		t.Error("removed from nowhere")
	}
}

// Removing makes nothing, not even a directory.
func TestRemoveNothing(t *testing.T) {
	b := newBox(t)
	if b.remove("r.example") {
		t.Error("removed")
	}
	if left, _ := os.ReadDir(b.home); len(left) != 0 {
		t.Errorf("%v", left)
	}
	text := "{ \"credHelpers\" : {} }"
	b.write(".docker/config.json", text)
	if b.remove("r.example") {
		t.Error("removed")
	}
	b.holds(".docker/config.json", text)
}

// Who has logged in or out is told of other places that count.
func TestOtherPlaces(t *testing.T) {
	b := newBox(t)
	b.env["DOCKER_AUTH_CONFIG"] = entryOf("r.example", "bob")
	b.save("other.example", ann)
	b.told()
	b.save("r.example", ann)
	b.told("DOCKER_AUTH_CONFIG", "come first")
	b.warnings = nil
	b.remove("r.example")
	b.told("DOCKER_AUTH_CONFIG still has credentials for r.example")
}

// Two that save at once lose nothing of each other.
func TestSaveTogether(t *testing.T) {
	b := newBox(t)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if _, err := New(b.opts).Save(t.Context(), fmt.Sprintf("r%d.example", i), ann); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range 20 {
		b.finds(fmt.Sprintf("r%d.example", i), "", "ann")
	}
}
