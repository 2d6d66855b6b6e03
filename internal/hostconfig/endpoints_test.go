package hostconfig

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestWithoutFiles(t *testing.T) {
	for image, want := range map[string]string{
		"docker.io/library/alpine":       "//registry-1.docker.io/v2/ library/alpine ",
		"index.docker.io/library/alpine": "//registry-1.docker.io/v2/ library/alpine ",
		"127.0.0.1:5000/a":               "//127.0.0.1:5000/v2/ a ",
		"[::1]:5000/a":                   "//[::1]:5000/v2/ a ",
	} {
		if got := endpoints(t, Files{}, image); got != want+all {
			t.Errorf("%s: got %s", image, got)
		}
	}
	found, err := Files{}.Endpoints("docker.io", "library/alpine")
	if err != nil || found[0].Registry != "docker.io" {
		t.Errorf("got registry %q, %v", found[0].Registry, err)
	}
}

// TestPrecedence: hosts.toml decides what hosts there are; what registries.conf blocks stays blocked.
func TestPrecedence(t *testing.T) {
	const hosts = "[host.'m.corp']\n[host.'n.corp/x']"
	blocked := func(names ...string) string {
		var b strings.Builder
		for _, name := range names {
			b.WriteString("[[registry]]\nlocation = '" + name + "'\nblocked = true\n")
		}
		return b.String()
	}
	m := "//m.corp/v2/ app " + reading + " mirror=m.corp ns=r.corp"
	n := "//n.corp/x/v2/ app " + reading + " mirror=n.corp ns=r.corp"
	r := "//r.corp/v2/ app " + all
	for _, c := range []struct{ name, hosts, conf, want string }{
		{"both", hosts, mirroredBy("podman.corp", "r.corp") + "insecure = true", lines(m, n, r)},
		{"registries.conf alone", "", mirroredBy("podman.corp", "r.corp"),
			lines("//podman.corp/v2/ app "+reading+" mirror=podman.corp", r)},
		{"insecure of registries.conf does not reach hosts.toml", hosts,
			"[[registry]]\nlocation = 'r.corp'\ninsecure = true", lines(m, n, r)},
		{"the registry is blocked", hosts, blocked("r.corp"), lines(m, n)},
		{"a mirror is blocked", hosts, blocked("m.corp/app"), lines(n, r)},
		{"all are blocked", hosts, blocked("r.corp", "m.corp", "n.corp"), ""},
		{"one that has nothing to do with it", hosts, blocked("x.corp", "r.corp/app2"), lines(m, n, r)},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, root := tree(t, map[string]string{"containerd/r.corp/hosts.toml": c.hosts,
				"registries.conf": c.conf})
			if c.want != "" {
				if got := endpoints(t, files, "r.corp/app"); got != c.want {
					t.Errorf("got\n%s\nwant\n%s", got, c.want)
				}
				return
			}
			_, err := files.Endpoints("r.corp", "app")
			if !errors.Is(err, ErrBlocked) {
				t.Errorf("got %v, want ErrBlocked", err)
			}
			wantError(t, err, filepath.Join(root, "registries.conf"))
		})
	}
}

func TestAt(t *testing.T) {
	ca := newAuthority(t, "ca")
	files, _ := tree(t, map[string]string{
		"docker/nexus.corp:8081/ca.crt": ca.pem,
		"docker/bad.corp/ca.crt":        "x",
	})
	for address, want := range map[string]string{
		"https://nexus.corp:8081/repository/docker": "https://nexus.corp:8081/repository/docker/v2/  " +
			reading + " cas=1",
		"nexus.corp:8081/repository/docker/v2/": "//nexus.corp:8081/repository/docker/v2/  " + reading +
			" cas=1",
		"http://nexus.corp:8081": "http://nexus.corp:8081/v2/  " + reading,
		"nexus.corp":             "//nexus.corp/v2/  " + reading,
		"https://art.corp/artifactory/api/docker/local": "https://art.corp/artifactory/api/docker/local/v2/  " +
			reading,
	} {
		e, err := files.At(address)
		if err != nil || show(e) != want || e.Mirror || e.Registry != e.URL.Host {
			t.Errorf("%s: got %s, %v, want %s", address, show(e), err, want)
		}
	}
	for _, address := range []string{"", "https://", "ftp://x.corp", "https://x.corp:port", "bad.corp", "/path",
		"https://u:secret@x.corp:port", "https://u:secret@x.corp", "x.corp?token=secret", "x.corp#secret"} {
		if e, err := files.At(address); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %s, %v", address, show(e), err)
		}
	}
}
