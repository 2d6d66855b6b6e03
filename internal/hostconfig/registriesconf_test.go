package hostconfig

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestRegistries(t *testing.T) {
	for _, c := range []struct{ name, toml, image, want string }{
		{"mirrors in the order of the file", `
[[registry]]
prefix = "r.corp"
location = "r.corp"
[[registry.mirror]]
location = "m.corp:5000/proxy"
[[registry.mirror]]
location = "a.corp"
insecure = true
`, "r.corp/team/app", lines(
			"//m.corp:5000/v2/ proxy/team/app "+reading+" mirror=m.corp:5000",
			"//a.corp/v2/ team/app "+reading+" mirror=a.corp unverified or-http",
			"//r.corp/v2/ team/app "+all)},
		{"the registry as such, to log in to", `
[[registry]]
prefix = "r.corp"
location = "elsewhere.corp/proxy"
insecure = true
[[registry.mirror]]
location = "m.corp"
`, "r.corp/", "//r.corp/v2/  " + all + " unverified or-http"},
		{"pull-from-mirror", `
[[registry]]
location = "r.corp"
[[registry.mirror]]
location = "a.corp"
pull-from-mirror = "all"
[[registry.mirror]]
location = "d.corp"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "t.corp"
pull-from-mirror = "tag-only"
`, "r.corp/app", lines(
			"//a.corp/v2/ app "+reading+" mirror=a.corp",
			"//d.corp/v2/ app pull mirror=d.corp",
			"//t.corp/v2/ app "+reading+" tag-only mirror=t.corp",
			"//r.corp/v2/ app "+all)},
		{"mirror-by-digest-only", `
[[registry]]
location = "r.corp"
mirror-by-digest-only = true
[[registry.mirror]]
location = "d.corp"
`, "r.corp/app", lines(
			"//d.corp/v2/ app pull mirror=d.corp",
			"//r.corp/v2/ app "+all)},
		{"a location elsewhere is read from, the registry pushed to", `
[[registry]]
prefix = "example.com/foo"
location = "internal.corp/bar"
insecure = true
[[registry.mirror]]
location = "m.corp/mirror-for-foo"
`, "example.com/foo/image", lines(
			"//m.corp/v2/ mirror-for-foo/image "+reading+" mirror=m.corp",
			"//internal.corp/v2/ bar/image "+reading+" mirror=internal.corp unverified or-http",
			"//example.com/v2/ foo/image push unverified or-http")},
		{"a mirror in the registry itself", `
[[registry]]
prefix = "r.corp/a"
location = "r.corp/a"
[[registry.mirror]]
location = "r.corp/b"
`, "r.corp/a/app", lines(
			"//r.corp/v2/ b/app "+reading,
			"//r.corp/v2/ a/app "+all)},
		{"Docker Hub", `
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "hub.corp/dockerhub"
`, "docker.io/library/alpine", lines(
			"//hub.corp/v2/ dockerhub/library/alpine "+reading+" mirror=hub.corp",
			"//registry-1.docker.io/v2/ library/alpine "+all)},
		{"Docker Hub as mirror", `
[[registry]]
location = "quay.io"
[[registry.mirror]]
location = "docker.io/copies"
`, "quay.io/team/app", lines(
			"//registry-1.docker.io/v2/ copies/team/app "+reading+" mirror=docker.io",
			"//quay.io/v2/ team/app "+all)},
		{"the longest prefix", `
[[registry]]
location = "r.corp/team/app"
[[registry.mirror]]
location = "three.corp"
[[registry]]
location = "r.corp/team"
[[registry.mirror]]
location = "two.corp"
[[registry]]
location = "r.corp"
[[registry.mirror]]
location = "one.corp"
`, "r.corp/team/apple", lines(
			"//two.corp/v2/ apple "+reading+" mirror=two.corp",
			"//r.corp/v2/ team/apple "+all)},
		{"a prefix that is the whole name", `
[[registry]]
prefix = "r.corp/team/app/"
location = "r.corp/team/app"
[[registry.mirror]]
location = "three.corp/x/"
`, "r.corp/team/app", lines(
			"//three.corp/v2/ x "+reading+" mirror=three.corp",
			"//r.corp/v2/ team/app "+all)},
		{"not a prefix of a part", "[[registry]]\nlocation = 'r.corp/te'\ninsecure = true", "r.corp/team/app",
			"//r.corp/v2/ team/app " + all},
		{"another host", "[[registry]]\nlocation = 'r.corp'\ninsecure = true", "r.corp.example/app",
			"//r.corp.example/v2/ app " + all},
		{"a host stands for its ports", "[[registry]]\nlocation = 'r.corp'\ninsecure = true", "r.corp:5000/app",
			"//r.corp:5000/v2/ app " + all + " unverified or-http"},
		{"a port is one of its host", "[[registry]]\nlocation = 'r.corp:5000'\ninsecure = true", "r.corp/app",
			"//r.corp/v2/ app " + all},
		{"a tag in the prefix never matches", "[[registry]]\nlocation = 'r.corp/app:1'\ninsecure = true",
			"r.corp/app",
			"//r.corp/v2/ app " + all},
		{"wildcard without location",
			"[[registry]]\nprefix = '*.corp'\ninsecure = true\n[[registry.mirror]]\nlocation='m.example'",
			"a.b.corp:5000/app", lines(
				"//m.example:5000/v2/ app "+reading+" mirror=m.example:5000",
				"//a.b.corp:5000/v2/ app "+all+" unverified or-http")},
		{"wildcard with location", "[[registry]]\nprefix = '*.corp'\nlocation = 'm.example/x'", "a.b.corp/app",
			lines(
				"//m.example/v2/ x/app "+reading+" mirror=m.example",
				"//a.b.corp/v2/ app push")},
		{"wildcard against the same ending twice", "[[registry]]\nprefix = '*.corp'\ninsecure = true",
			"a.corp.corp/app",
			"//a.corp.corp/v2/ app " + all + " unverified or-http"},
		{"wildcard is for subdomains only", "[[registry]]\nprefix = '*.corp'\ninsecure = true", "corp/app.corp/x",
			"//corp/v2/ app.corp/x " + all},
		{"a longer name before the wildcard",
			"[[registry]]\nprefix = '*.corp'\nblocked = true\n[[registry]]\nlocation = 'long.corp'\ninsecure = true",
			"long.corp/app", "//long.corp/v2/ app " + all + " unverified or-http"},
		{"of two as long as each other the first",
			"[[registry]]\nprefix = '*.corp'\ninsecure = true\n[[registry]]\nlocation = 'r.corp'",
			"r.corp/app", "//r.corp/v2/ app " + all + " unverified or-http"},
		{"of one prefix in one file the first",
			"[[registry]]\nlocation = 'r.corp'\n[[registry]]\nlocation = 'r.corp'\ninsecure = true",
			"r.corp/app", "//r.corp/v2/ app " + all},
		{"one table instead of a list", "[registry]\nlocation = 'r.corp'\ninsecure = true", "r.corp/app",
			"//r.corp/v2/ app " + all + " unverified or-http"},
		{"version 1",
			"[registries.search]\nregistries = ['x.corp']\n[registries.insecure]\nregistries = ['r.corp']",
			"r.corp/app",
			"//r.corp/v2/ app " + all + " unverified or-http"},
		{"what is not of concern", `
unqualified-search-registries = ["docker.io"]
credential-helpers = ["containers-auth.json"]
short-name-mode = "enforcing"
future = {a = 1}
[aliases]
"alpine" = "docker.io/library/alpine"
[[registry]]
location = "r.corp"
colour = "red"
`, "r.corp/app", "//r.corp/v2/ app " + all},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, _ := tree(t, map[string]string{"registries.conf": c.toml})
			if got := endpoints(t, files, c.image); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestBlocked(t *testing.T) {
	for _, c := range []struct{ name, toml, image, want string }{
		{"without mirror", "[[registry]]\nlocation = 'r.corp'\nblocked = true", "r.corp/app", ""},
		{"elsewhere", "[[registry]]\nlocation = 'r.corp/x'\nblocked = true", "r.corp/app", "//r.corp/v2/ app " +
			all},
		{"only its mirror",
			"[[registry]]\nlocation = 'r.corp'\nblocked = true\n[[registry.mirror]]\nlocation = 'm.corp'",
			"r.corp/app",
			"//m.corp/v2/ app " + reading + " mirror=m.corp"},
		{"the mirror too",
			"[[registry]]\nlocation = 'r.corp'\nblocked = true\n[[registry.mirror]]\nlocation = 'm.corp'\n" +
				"[[registry]]\nlocation = 'm.corp'\nblocked = true", "r.corp/app", ""},
		{"a part of the mirror",
			"[[registry]]\nlocation = 'r.corp'\n[[registry.mirror]]\nlocation = 'docker.io/x'\n" +
				"[[registry]]\nlocation = 'docker.io/x'\nblocked = true", "r.corp/app", "//r.corp/v2/ app " + all},
		{"by wildcard", "[[registry]]\nprefix = '*.corp'\nblocked = true", "r.corp/app", ""},
		{"but not a part",
			"[[registry]]\nprefix = '*.corp'\nblocked = true\n[[registry]]\nlocation = 'r.corp/open'",
			"r.corp/open/app",
			"//r.corp/v2/ open/app " + all},
		{"version 1", "[registries.block]\nregistries = ['r.corp']", "r.corp/app", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, root := tree(t, map[string]string{"registries.conf": c.toml})
			if c.want != "" {
				if got := endpoints(t, files, c.image); got != c.want {
					t.Errorf("got\n%s\nwant\n%s", got, c.want)
				}
				return
			}
			registry, repository, _ := strings.Cut(c.image, "/")
			_, err := files.Endpoints(registry, repository)
			if !errors.Is(err, ErrBlocked) {
				t.Fatalf("got %v, want ErrBlocked", err)
			}
			wantError(t, err, filepath.Join(root, "registries.conf"), "blocked")
		})
	}
}

func TestBadRegistries(t *testing.T) {
	for _, c := range []struct {
		name, toml string
		words      []string
	}{
		{"syntax", "[[registry", []string{"line 1"}},
		{"registry", "registry = 1", []string{"registry", "integer"}},
		{"insecure", "[[registry]]\nlocation = 'r.corp'\ninsecure = 'yes'",
			[]string{"line 3", "registry.insecure", "string"}},
		{"blocked", "[[registry]]\nlocation = 'r.corp'\nblocked = 1",
			[]string{"line 3", "registry.blocked", "integer"}},
		{"location", "[[registry]]\nlocation = ['r.corp']", []string{"registry.location", "array"}},
		{"mirror", "[[registry]]\nlocation = 'r.corp'\nmirror = 'm.corp'", []string{"registry.mirror", "string"}},
		{"mirror insecure", "[[registry]]\nlocation = 'r.corp'\n[[registry.mirror]]\nlocation = 'm'\ninsecure = 1",
			[]string{"registry.mirror.insecure"}},
		{"neither prefix nor location", "[[registry]]\ninsecure = true", []string{"prefix", "location"}},
		{"scheme", "[[registry]]\nlocation = 'https://r.corp'", []string{"https://r.corp", "scheme"}},
		{"scheme of a mirror", "[[registry]]\nlocation = 'r.corp'\n[[registry.mirror]]\nlocation = 'http://m.corp'",
			[]string{"r.corp", "http://m.corp", "scheme"}},
		{"mirror without location", "[[registry]]\nlocation = 'r.corp'\n[[registry.mirror]]\ninsecure = true",
			[]string{"r.corp", "location"}},
		{"pull-from-mirror",
			"[[registry]]\nlocation = 'r.corp'\n[[registry.mirror]]\nlocation = 'm.corp'\npull-from-mirror = 'never'",
			[]string{"m.corp", `"never"`}},
		{"pull-from-mirror of the registry", "[[registry]]\nlocation = 'r.corp'\npull-from-mirror = 'all'",
			[]string{"r.corp", "pull-from-mirror"}},
		{"pull-from-mirror twice",
			"[[registry]]\nlocation = 'r.corp'\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = " +
				"'m.corp'\npull-from-mirror = 'all'",
			[]string{"m.corp", "mirror-by-digest-only"}},
		{"wildcard inside", "[[registry]]\nprefix = 'a.*.corp'\nlocation = 'm.corp'", []string{"a.*.corp"}},
		{"wildcard with path", "[[registry]]\nprefix = '*.corp/a'\nlocation = 'm.corp'", []string{"*.corp/a"}},
		{"wildcard twice", "[[registry]]\nprefix = '*.*.corp'\nlocation = 'm.corp'", []string{"*.*.corp"}},
		{"wildcard as location", "[[registry]]\nlocation = '*.corp'", []string{"*.corp"}},
		{"location that is no name", "[[registry]]\nprefix = 'r.corp'\nlocation = 'm.corp/UPPER'",
			[]string{"r.corp", "UPPER"}},
		{"location without host", "[[registry]]\nprefix = 'r.corp'\nlocation = 'mirror/app'",
			[]string{"r.corp", "mirror/app"}},
		{"mirror that is no name",
			"[[registry]]\nlocation = 'r.corp'\n[[registry.mirror]]\nlocation = 'm.corp/../x'",
			[]string{"r.corp", "m.corp/../x"}},
		{"version 1", "[registries.block]\nregistries = 'r.corp'",
			[]string{"registries.block.registries", "string"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, root := tree(t, map[string]string{"registries.conf": c.toml})
			_, err := files.Endpoints("r.corp", "app")
			wantError(t, err, append(c.words, filepath.Join(root, "registries.conf"))...)
			if err != nil && strings.Contains(err.Error(), "hostconfig.") {
				t.Errorf("the error speaks Go: %v", err)
			}
		})
	}
}

// mirroredBy is a registries.conf that shows by a mirror that it was read.
func mirroredBy(mirror, registry string) string {
	return "[[registry]]\nlocation = '" + registry + "'\n[[registry.mirror]]\nlocation = '" + mirror + "'\n"
}

func TestDropIns(t *testing.T) {
	files, root := tree(t, map[string]string{
		"registries.conf": mirroredBy("main.corp", "a.corp") + mirroredBy("main.corp", "b.corp") +
			mirroredBy("main.corp", "c.corp"),
		"registries.conf.d/10-b.conf":     mirroredBy("ten.corp", "b.corp") + mirroredBy("ten.corp", "d.corp"),
		"registries.conf.d/15-a.conf":     mirroredBy("first.corp", "a.corp") + mirroredBy("second.corp", "a.corp"),
		"registries.conf.d/20-b.conf":     "[[registry]]\nprefix = 'b.corp/'\nlocation = 'b.corp'\ninsecure = true",
		"registries.conf.d/30-x.conf.bak": "not TOML",
		"registries.conf.d/dir.conf/x":    "not TOML",
		"user.d/00-c.conf":                mirroredBy("user.corp", "c.corp"),
	})
	conf := &files.RegistriesConf[0]
	conf.Dirs = append(conf.Dirs, filepath.Join(root, "absent.d"), filepath.Join(root, "user.d"))
	for name, want := range map[string]string{
		"a.corp/x": lines("//first.corp/v2/ x "+reading+" mirror=first.corp", "//a.corp/v2/ x "+all),
		"b.corp/x": "//b.corp/v2/ x " + all + " unverified or-http",
		"c.corp/x": lines("//user.corp/v2/ x "+reading+" mirror=user.corp", "//c.corp/v2/ x "+all),
		"d.corp/x": lines("//ten.corp/v2/ x "+reading+" mirror=ten.corp", "//d.corp/v2/ x "+all),
		"e.corp/x": "//e.corp/v2/ x " + all,
	} {
		if got := endpoints(t, files, name); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

func TestBadDropInIsNamed(t *testing.T) {
	files, root := tree(t, map[string]string{"registries.conf.d/10-bad.conf": "registry = 1"})
	_, err := files.Endpoints("r.corp", "x")
	wantError(t, err, filepath.Join(root, "registries.conf.d", "10-bad.conf"))
}

func TestWhichRegistriesConf(t *testing.T) {
	files, root := tree(t, map[string]string{
		"user.conf":       mirroredBy("user.corp", "r.corp"),
		"user.d/1.conf":   mirroredBy("userdir.corp", "s.corp"),
		"system.conf":     mirroredBy("system.corp", "r.corp"),
		"system.d/1.conf": mirroredBy("systemdir.corp", "s.corp"),
	})
	at := func(name string) string { return filepath.Join(root, name) }
	user := RegistriesConf{File: at("user.conf"), Dirs: []string{at("user.d")}}
	system := RegistriesConf{File: at("system.conf"), Dirs: []string{at("system.d"), at("user.d")}}
	absent := RegistriesConf{File: at("absent.conf"), Dirs: []string{at("system.d")}}
	for _, c := range []struct {
		name             string
		conf             []RegistriesConf
		wantFile, wantIn string // the mirror that the file, and that the drop-ins name
	}{
		{"the user's alone", []RegistriesConf{user, system}, "user.corp", "userdir.corp"},
		{"the system's, then the user's drop-ins", []RegistriesConf{absent, system}, "system.corp", "userdir.corp"},
		{"drop-ins without a file", []RegistriesConf{{File: at("nowhere.conf")}, absent}, "r.corp",
			"systemdir.corp"},
		{"none", nil, "r.corp", "s.corp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files.RegistriesConf = c.conf
			for registry, want := range map[string]string{"r.corp": c.wantFile, "s.corp": c.wantIn} {
				got, err := files.Endpoints(registry, "x")
				if err != nil || got[0].Registry != want {
					t.Errorf("%s: got %s, %v, want %s first", registry, showAll(got), err, want)
				}
			}
		})
	}
	files.RegistriesConf = []RegistriesConf{{File: at("absent.conf"), Required: true}, system}
	_, err := files.Endpoints("r.corp", "x")
	wantError(t, err, at("absent.conf"))
}
