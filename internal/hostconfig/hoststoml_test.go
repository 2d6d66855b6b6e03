package hostconfig

import (
	"path/filepath"
	"strings"
	"testing"
)

// all is what an endpoint without restrictions can do, reading what a mirror without settings can.
const (
	all     = "pull resolve push"
	reading = "pull resolve"
)

func TestHosts(t *testing.T) {
	for _, c := range []struct{ name, toml, image, want string }{
		{"mirrors in the order of the file", `
server = "https://registry.corp"
[host."https://zulu.corp"]
[host."https://alpha.corp"]
[host."https://mike.corp".header]
x = "1"
[host."https://mike.corp"]
`, "registry.corp/a/b", lines(
			"https://zulu.corp/v2/ a/b "+reading+" mirror=zulu.corp ns=registry.corp",
			"https://alpha.corp/v2/ a/b "+reading+" mirror=alpha.corp ns=registry.corp",
			"https://mike.corp/v2/ a/b "+reading+" mirror=mike.corp ns=registry.corp X=1",
			"https://registry.corp/v2/ a/b "+all)},
		{"every way to write a table", `
host."https://c.corp".capabilities = ["pull"]
host."https://b.corp".capabilities = ["pull"]
host."https://a.corp" = {capabilities = ["pull"]}
`, "registry.corp/a", lines(
			"https://c.corp/v2/ a pull mirror=c.corp ns=registry.corp",
			"https://b.corp/v2/ a pull mirror=b.corp ns=registry.corp",
			"https://a.corp/v2/ a pull mirror=a.corp ns=registry.corp",
			"//registry.corp/v2/ a "+all)},
		{"inline table of hosts",
			`host = {"z.corp" = {capabilities = ["pull"]}, "y.corp" = {capabilities = ["resolve"]}}`,
			"registry.corp/a", lines(
				"//z.corp/v2/ a pull mirror=z.corp ns=registry.corp",
				"//y.corp/v2/ a resolve mirror=y.corp ns=registry.corp",
				"//registry.corp/v2/ a "+all)},
		{"hosts inside [host]",
			"[host]\n\"z.corp\" = {capabilities = [\"pull\"]}\n\"y.corp\".capabilities = [\"pull\"]",
			"registry.corp/a", lines(
				"//z.corp/v2/ a pull mirror=z.corp ns=registry.corp",
				"//y.corp/v2/ a pull mirror=y.corp ns=registry.corp",
				"//registry.corp/v2/ a "+all)},
		{"capabilities", `
[host."https://m.corp"]
capabilities = ["pull", "Resolve", "push", "referrers"]
[host."https://registry.corp"]
`, "registry.corp/a", lines(
			"https://m.corp/v2/ a "+all+" mirror=m.corp ns=registry.corp",
			"https://registry.corp/v2/ a "+all,
			"//registry.corp/v2/ a "+all)},
		{"capabilities of the server", "server = 'https://registry.corp'\ncapabilities = ['pull']",
			"registry.corp/a",
			"https://registry.corp/v2/ a pull"},
		{"capabilities without server", "capabilities = ['pull']", "registry.corp/a",
			"//registry.corp/v2/ a " + all},
		{"another server in its place", `server = "https://other.corp:8443/prefix"`, "registry.corp/a",
			"https://other.corp:8443/prefix/v2/ a " + all + " mirror=other.corp:8443 ns=registry.corp"},
		{"what is the registry itself", `
[host."https://R.CORP:443"]
[host."http://r.corp"]
[host."https://r.corp:8443"]
[host."http://r.corp:443"]
[host."https://r.corp.example"]
`, "r.corp/a", lines(
			"https://R.CORP:443/v2/ a "+all,
			"http://r.corp/v2/ a "+all,
			"https://r.corp:8443/v2/ a "+reading+" mirror=r.corp:8443 ns=r.corp",
			"http://r.corp:443/v2/ a "+reading+" mirror=r.corp:443 ns=r.corp",
			"https://r.corp.example/v2/ a "+reading+" mirror=r.corp.example ns=r.corp",
			"//r.corp/v2/ a "+all)},
		{"a server that can do nothing here", "server = 'r.corp'\ncapabilities = ['referrers']", "r.corp/a",
			"//r.corp/v2/ a"},
		{"server over http", `server = "http://registry.corp:5000"`, "registry.corp:5000/a",
			"http://registry.corp:5000/v2/ a " + all},
		{"docker.io, as containerd's guide writes it", `
server = "https://docker.io"
[host."https://registry-1.docker.io"]
capabilities = ["pull", "resolve"]
`, "docker.io/library/alpine", lines(
			"https://registry-1.docker.io/v2/ library/alpine pull resolve",
			"https://registry-1.docker.io/v2/ library/alpine "+all)},
		{"mirror of docker.io", `[host."https://hub.corp"]`, "docker.io/library/alpine", lines(
			"https://hub.corp/v2/ library/alpine "+reading+" mirror=hub.corp ns=docker.io",
			"//registry-1.docker.io/v2/ library/alpine "+all)},
		{"paths", `
[host."https://m.corp/"]
[host."https://m.corp/v2"]
[host."https://m.corp/v2/"]
[host."https://m.corp/a//b/"]
[host."https://m.corp/a/v2"]
[host."m.corp:5000/a"]
[host."https://user:secret@m.corp/a?q=1#f"]
`, "r.corp/a", lines(
			"https://m.corp/v2/ a "+reading+" mirror=m.corp ns=r.corp",
			"https://m.corp/v2/ a "+reading+" mirror=m.corp ns=r.corp",
			"https://m.corp/v2/ a "+reading+" mirror=m.corp ns=r.corp",
			"https://m.corp/a/b/v2/ a "+reading+" mirror=m.corp ns=r.corp",
			"https://m.corp/a/v2/ a "+reading+" mirror=m.corp ns=r.corp",
			"//m.corp:5000/a/v2/ a "+reading+" mirror=m.corp:5000 ns=r.corp",
			"https://m.corp/a/v2/ a "+reading+" mirror=m.corp ns=r.corp",
			"//r.corp/v2/ a "+all)},
		{"override_path", `
[host."https://m.corp/api/docker"]
override_path = true
[host."https://n.corp/x/v2"]
override_path = true
[host."https://o.corp"]
override_path = true
`, "r.corp/a", lines(
			"https://m.corp/api/docker/ a "+reading+" mirror=m.corp ns=r.corp",
			"https://n.corp/x/v2/ a "+reading+" mirror=n.corp ns=r.corp",
			"https://o.corp/ a "+reading+" mirror=o.corp ns=r.corp",
			"//r.corp/v2/ a "+all)},
		{"TLS settings on http try https first", `
[host."http://plain.corp:5000"]
[host."http://both.corp:5000"]
skip_verify = true
[host."http://verified.corp"]
skip_verify = false
[host."http://eighty.corp:80"]
skip_verify = true
[host."https://loose.corp"]
skip_verify = true
`, "r.corp/a", lines(
			"http://plain.corp:5000/v2/ a "+reading+" mirror=plain.corp:5000 ns=r.corp",
			"//both.corp:5000/v2/ a "+reading+" mirror=both.corp:5000 ns=r.corp unverified or-http",
			"//verified.corp/v2/ a "+reading+" mirror=verified.corp ns=r.corp or-http",
			"http://eighty.corp:80/v2/ a "+reading+" mirror=eighty.corp:80 ns=r.corp unverified",
			"https://loose.corp/v2/ a "+reading+" mirror=loose.corp ns=r.corp unverified",
			"//r.corp/v2/ a "+all)},
		{"connection", `
dial_timeout = "1500ms"
proxy = "socks5h://user:pw@proxy.corp:1080"
[header]
x-list = ["a", "b"]
authorization = "Basic Zm9v"
`, "r.corp/a", "//r.corp/v2/ a " + all + " proxy=socks5h://user:pw@proxy.corp:1080 dial=1.5s " +
			"Authorization=Basic Zm9v X-List=a,b"},
		{"unknown keys are ignored",
			"server = 'r.corp'\nfuture = {a = 1}\n[host.'m.corp']\ncolour = 'red'\n" +
				"capabilities = []\n[plugins]\na = 1",
			"r.corp/a", lines(
				"//m.corp/v2/ a "+reading+" mirror=m.corp ns=r.corp",
				"//r.corp/v2/ a "+all)},
		{"only comments", "# nothing here\n", "r.corp/a", "//r.corp/v2/ a " + all},
	} {
		t.Run(c.name, func(t *testing.T) {
			registry, _, _ := strings.Cut(c.image, "/")
			files, _ := tree(t, map[string]string{"containerd/" + strings.ReplaceAll(registry, ":5000", "_5000_") +
				"/hosts.toml": c.toml})
			if got := endpoints(t, files, c.image); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestHostDirectories(t *testing.T) {
	const hosts = "/hosts.toml"
	mirror := func(name string) string { return `[host."` + name + `.corp"]` }
	for _, c := range []struct {
		name, registry string
		dirs           []string
		want           string // the mirror in the file that counts
	}{
		{"underscores before colon", "r.corp:5000", []string{"r.corp_5000_", "r.corp:5000", "r.corp", "_default"},
			"m0"},
		{"colon before default", "r.corp:5000", []string{"_default", "r.corp:5000", "r.corp"}, "m1"},
		{"without the port is another registry", "r.corp:5000", []string{"r.corp"}, ""},
		{"default", "r.corp:5000", []string{"r.corp", "_default"}, "m1"},
		{"no port", "r.corp", []string{"r.corp_443_", "_default", "r.corp"}, "m2"},
		{"IPv6", "[::1]:5000", []string{"[::1]_5000_", "_default"}, "m0"},
		{"IPv6 without port", "[::1]", []string{"_default", "[::1]"}, "m1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			content := map[string]string{}
			for i, dir := range c.dirs {
				content["containerd/"+dir+hosts] = mirror("m" + string(rune('0'+i)))
			}
			files, _ := tree(t, content)
			got, err := files.Endpoints(c.registry, "a")
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" {
				if len(got) != 1 {
					t.Errorf("got %s", showAll(got))
				}
				return
			}
			if len(got) != 2 || got[0].Registry != c.want+".corp" {
				t.Errorf("got %s, want %s", showAll(got), c.want)
			}
		})
	}
}

func TestWindowsNames(t *testing.T) {
	got := strings.Join(containerdNames("r.corp:5000", "windows"), " ")
	if want := "r.corp_5000_ r.corp5000 _default"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := fileName("r.corp:5000", "windows"); got != "r.corp5000" {
		t.Errorf("docker's name is %s", got)
	}
}

// TestFirstRoot: the user's directory hides that of the system, registry by registry.
func TestFirstRoot(t *testing.T) {
	files, root := tree(t, map[string]string{
		"containerd/r.corp/hosts.toml":   `[host."system.corp"]`,
		"containerd/s.corp/hosts.toml":   `[host."system.corp"]`,
		"containerd/_default/hosts.toml": `[host."default.corp"]`,
		"user/r.corp/hosts.toml":         `[host."user.corp"]`,
	})
	files.ContainerdCerts = append([]string{filepath.Join(root, "absent"), filepath.Join(root, "user")},
		files.ContainerdCerts...)
	for registry, want := range map[string]string{"r.corp": "user.corp", "s.corp": "system.corp",
		"t.corp": "default.corp"} {
		got, err := files.Endpoints(registry, "a")
		if err != nil || len(got) != 2 || got[0].Registry != want {
			t.Errorf("%s: got %s, %v, want %s", registry, showAll(got), err, want)
		}
	}
}

func TestBadHosts(t *testing.T) {
	for _, c := range []struct {
		name, toml string
		words      []string
	}{
		{"syntax", "server = ", []string{"line 1"}},
		{"duplicate", "[host.a]\n[host.a]", []string{"line 2", "a"}},
		{"not UTF-8", "server = '\xff'", []string{"line 1"}},
		{"server", "server = 5", []string{"line 1", `"server"`, "integer"}},
		{"host", "host = 'x'", []string{"line 1", `"host"`, "string"}},
		{"list of hosts", "[[host]]", []string{"line 1", `"host"`}},
		{"capabilities", "capabilities = 'pull'", []string{"line 1", `"capabilities"`, "string"}},
		{"unknown capability", "[host.'m.corp']\ncapabilities = ['pull', 'fetch']",
			[]string{`"m.corp"`, `"fetch"`}},
		{"skip_verify", "[host.'m.corp']\nskip_verify = 'yes'",
			[]string{"line 2", "host.m.corp.skip_verify", "string"}},
		{"override_path", "[host.'m.corp']\noverride_path = 1", []string{"override_path", "integer"}},
		{"ca", "[host.'m.corp']\nca = 1", []string{`"m.corp"`, "ca: "}},
		{"ca list", "ca = ['a', 1]", []string{"ca: "}},
		{"ca absent", "ca = 'absent.pem'", []string{"ca: ", "absent.pem"}},
		{"client", "server = 's.corp'\nclient = true", []string{`server "s.corp"`, "client: "}},
		{"client pair of three", "client = [['a', 'b', 'c']]", []string{"client: ", "pair", "3"}},
		{"client pair of none", "client = [[]]", []string{"client: ", "pair", "0"}},
		{"client pair of numbers", "client = [[1, 2]]", []string{"client: "}},
		{"header", "header = 'x'", []string{"header", "string"}},
		{"header value", "[header]\nx = 5", []string{"header", `"x"`}},
		{"header name", "[header]\n'a b' = 'x'", []string{"header", `"a b"`}},
		{"header injection", "[header]\nx = \"secret\\r\\ny: z\"", []string{"header", `"x"`, "control"}},
		{"dial_timeout type", "dial_timeout = 5", []string{"dial_timeout", "integer"}},
		{"dial_timeout", "dial_timeout = '5'", []string{"dial_timeout", `"5"`}},
		{"negative dial_timeout", "dial_timeout = '-5s'", []string{"dial_timeout", "-5s"}},
		{"proxy scheme", "proxy = 'ftp://p.corp'", []string{"proxy", "ftp"}},
		{"proxy path", "proxy = 'http://p.corp/x'", []string{"proxy"}},
		{"proxy", "proxy = 'http://user:secret@p.corp:port'", []string{"proxy"}},
		{"scheme", "[host.'unix:///run/r.sock']", []string{"unix"}},
		{"no host", "server = 'https:///v2'", []string{"server"}},
		{"address", "server = 'https://user:secret@r.corp:port'", []string{"server"}},
		{"dots", "server = 'https://..'", []string{`".."`}},
		{"backslash", `[host.'https://a\..\b']`, []string{"host"}},
		{"empty address", "[host.'']", []string{"host", "address"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, root := tree(t, map[string]string{"containerd/r.corp/hosts.toml": c.toml})
			_, err := files.Endpoints("r.corp", "a")
			wantError(t, err, append(c.words, filepath.Join(root, "containerd", "r.corp"))...)
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows a secret: %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "hostconfig.") {
				t.Errorf("the error speaks Go: %v", err)
			}
		})
	}
}

func TestNotAFile(t *testing.T) {
	files, root := tree(t, map[string]string{
		"containerd/large.corp/hosts.toml":   "#" + strings.Repeat("x", maxFile),
		"containerd/limit.corp/hosts.toml":   "#" + strings.Repeat("x", maxFile-1),
		"containerd/empty.corp/hosts.toml":   "",
		"containerd/dir.corp/hosts.toml/x":   "",
		"containerd/plain.corp":              "not a directory",
		"containerd/_default/hosts.toml":     `[host."default.corp"]`,
		"containerd/outside.corp/hosts.toml": `ca = "../../secret"`,
		"secret":                             "no certificate",
	})
	_, err := files.Endpoints("large.corp", "a")
	wantError(t, err, filepath.Join(root, "containerd", "large.corp", "hosts.toml"), "larger")
	if got := endpoints(t, files, "limit.corp/a"); got != "//limit.corp/v2/ a "+all {
		t.Errorf("a file of the largest size gives %s", got)
	}
	if got := endpoints(t, files, "empty.corp/a"); got != "//empty.corp/v2/ a "+all {
		t.Errorf("an empty file gives %s", got)
	}
	_, err = files.Endpoints("dir.corp", "a")
	wantError(t, err, filepath.Join("dir.corp", "hosts.toml"), "regular")
	if got := endpoints(t, files, "plain.corp/a"); !strings.Contains(got, "default.corp") {
		t.Errorf("a file in place of the directory gives %s", got)
	}
	_, err = files.Endpoints("outside.corp", "a")
	wantError(t, err, filepath.Join(root, "secret"), "no certificate")
}

// TestHostileRegistry: a name that leads out of the directory finds nothing.
func TestHostileRegistry(t *testing.T) {
	files, _ := tree(t, map[string]string{
		"hosts.toml":              `[host."outside.corp"]`,
		"containerd/hosts.toml":   `[host."outside.corp"]`,
		"ca.crt":                  "not to be read",
		"docker/ca.crt":           "not to be read",
		"containerd/a/hosts.toml": `[host."inside.corp"]`,
	})
	for _, registry := range []string{"..", ".", "", "../containerd", "a/../..", `..\x`} {
		got, err := files.Endpoints(registry, "a")
		if err != nil || len(got) != 1 || got[0].Mirror {
			t.Errorf("%q: got %s, %v", registry, showAll(got), err)
		}
	}
}
