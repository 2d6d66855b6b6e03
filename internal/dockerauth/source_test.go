package dockerauth

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// Every place in turn is the first that has something.
func TestOrder(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		t.Skip("podman has its files elsewhere")
	}
	b := newBox(t)
	b.env["XDG_CONFIG_HOME"] = filepath.Join(b.home, "xdg")
	for _, place := range []string{".dockercfg", "xdg/containers/auth.json", "run/containers/auth.json",
		".docker/config.json"} {
		text := entryOf("r.example", place)
		if place == ".dockercfg" {
			text = `{"https://r.example/v1/":{"auth":"` + auth(place+":secret") + `"}}`
		}
		b.write(place, text)
		b.finds("r.example", "app", place)
	}
	b.env["DOCKER_CONFIG"] = filepath.Join(b.home, "other")
	b.finds("r.example", "app", "run/containers/auth.json")
	b.write("other/config.json", entryOf("r.example", "DOCKER_CONFIG"))
	b.finds("r.example", "app", "DOCKER_CONFIG")
	b.env["DOCKER_AUTH_CONFIG"] = entryOf("r.example", "DOCKER_AUTH_CONFIG")
	b.finds("r.example", "app", "DOCKER_AUTH_CONFIG")
	b.told()
}

// Of a file that has been chosen, nothing leads on to others; the environment comes before it all the same.
func TestChosenFile(t *testing.T) {
	b := newBox(t)
	b.write(".docker/config.json", `{"auths":{"r.example":{"auth":"`+auth("docker:x")+
		`"},"other.example":{"auth":"`+auth("docker:x")+`"}}}`)
	b.env["REGISTRY_AUTH_FILE"] = b.write("variable.json", entryOf("r.example", "variable"))
	b.finds("r.example", "", "variable")
	b.finds("other.example", "", "")
	b.opts.AuthFile = b.write("flag.json", entryOf("r.example", "flag"))
	b.finds("r.example", "", "flag")
	b.finds("other.example", "", "")
	b.env["DOCKER_AUTH_CONFIG"] = entryOf("env.example", "env")
	b.finds("env.example", "", "env")
	b.finds("r.example", "", "flag")

	b.opts.AuthFile = filepath.Join(b.home, "none.json")
	if _, err := b.lookup("r.example", ""); err == nil || !strings.Contains(err.Error(), "none.json") {
		t.Errorf("a missing file: %v", err)
	}
	b.finds("env.example", "", "env")
}

// Where a file says nothing about a registry, or only marks it, the next is asked.
func TestMarkLeadsOn(t *testing.T) {
	b := newBox(t)
	b.write(".docker/config.json", `{"auths":{"r.example":{}}}`)
	b.write("run/containers/auth.json", entryOf("r.example", "podman"))
	if runtime.GOOS != "linux" {
		b.write(".config/containers/auth.json", entryOf("r.example", "podman"))
	}
	b.finds("r.example", "", "podman")
}

func TestNothing(t *testing.T) {
	b := newBox(t)
	b.opts.Strict = true
	b.finds("docker.io", "library/alpine", "")
	delete(b.env, "HOME")
	delete(b.env, "USERPROFILE")
	b.finds("docker.io", "library/alpine", "")
	b.told()
}

func TestPlaces(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("podman has its files elsewhere")
	}
	env := map[string]string{"HOME": "/home/me"}
	s := New(Options{Getenv: func(name string) string { return env[name] }})
	paths := func() (all []string) {
		for _, p := range s.places() {
			all = append(all, p.path)
		}
		return all
	}
	run := "/run/containers/" + strconv.Itoa(os.Getuid()) + "/auth.json"
	want := []string{"/home/me/.docker/config.json", run, "/home/me/.config/containers/auth.json",
		"/home/me/.dockercfg"}
	if got := paths(); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%q", got)
	}
	env["DOCKER_CONFIG"], env["XDG_RUNTIME_DIR"], env["XDG_CONFIG_HOME"] = "/d", "/r", "/c"
	want = []string{"/d/config.json", "/r/containers/auth.json", "/c/containers/auth.json",
		"/home/me/.dockercfg"}
	if got := paths(); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%q", got)
	}
}

func TestEnvironmentDamaged(t *testing.T) {
	b := newBox(t)
	b.env["DOCKER_AUTH_CONFIG"] = `{"auths":{"r.example":{"auth":"` // as a variable that was cut off
	b.write(".docker/config.json", entryOf("r.example", "ann"))
	b.finds("r.example", "", "ann")
	b.told("DOCKER_AUTH_CONFIG", "not valid JSON")
	b.opts.Strict = true
	if _, err := b.lookup("r.example", ""); err == nil || !strings.Contains(err.Error(), "DOCKER_AUTH_CONFIG") {
		t.Error(err)
	}
}

// The variable is for entries; programs are run only where a file of the user says so.
func TestEnvironmentNamesNoHelpers(t *testing.T) {
	b := newBox(t)
	b.opts.Strict = true
	b.env["DOCKER_AUTH_CONFIG"] = `{"credsStore":"that-does-not-exist"}`
	b.finds("r.example", "", "")
}
