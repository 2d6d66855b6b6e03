package hostconfig

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// material is what the certificate tests put into files.
type material struct {
	ca, other         *authority
	cert, key         string
	otherCert, otherK string
}

func newMaterial(t *testing.T) material {
	t.Helper()
	m := material{ca: newAuthority(t, "ca"), other: newAuthority(t, "other")}
	m.cert, m.key = m.ca.issue(t, "client")
	m.otherCert, m.otherK = m.other.issue(t, "other client")
	return m
}

func TestDockerCerts(t *testing.T) {
	m := newMaterial(t)
	for _, c := range []struct {
		name, image  string
		files        map[string]string // below docker/
		cas          string
		certificates int
	}{
		{"CA", "r.corp/a", map[string]string{"r.corp/ca.crt": m.ca.pem}, "ca", 0},
		{"two CAs in two files", "r.corp/a", map[string]string{"r.corp/1.crt": m.ca.pem,
			"r.corp/2.crt": m.other.pem}, "ca other", 0},
		{"a bundle", "r.corp/a", map[string]string{"r.corp/1.crt": "comment\n" + m.ca.pem + m.other.pem},
			"ca other", 0},
		{"a bundle with one that is broken", "r.corp/a",
			map[string]string{"r.corp/1.crt": pemOf("CERTIFICATE", []byte("x")) + m.other.pem}, "other", 0},
		{"DER", "r.corp/a", map[string]string{"r.corp/ca.crt": string(m.ca.cert.Raw)}, "ca", 0},
		{"client certificate", "r.corp/a", map[string]string{"r.corp/client.cert": m.cert,
			"r.corp/client.key": m.key}, "", 1},
		{"two client certificates", "r.corp/a", map[string]string{
			"r.corp/client.cert": m.cert, "r.corp/client.key": m.key, "r.corp/b.cert": m.otherCert,
			"r.corp/b.key": m.otherK,
		}, "", 2},
		{"what else lies there", "r.corp/a", map[string]string{"r.corp/README": "x", "r.corp/ca.pem": "x",
			"r.corp/old.crt/ca.crt": "x"}, "", 0},
		{"the port must be there", "r.corp:5000/a", map[string]string{"r.corp/ca.crt": m.ca.pem}, "", 0},
		{"the port", "r.corp:5000/a", map[string]string{"r.corp:5000/ca.crt": m.ca.pem,
			"r.corp/ca.crt": m.other.pem}, "ca", 0},
		{"docker.io under its name", "docker.io/a", map[string]string{
			"docker.io/ca.crt": m.ca.pem, "registry-1.docker.io/ca.crt": m.other.pem,
		}, "ca", 0},
		{"docker.io under that of the machine", "docker.io/a",
			map[string]string{"registry-1.docker.io/ca.crt": m.other.pem}, "other", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			content := map[string]string{}
			for name, text := range c.files {
				content["docker/"+name] = text
			}
			files, _ := tree(t, content)
			registry, repository, _ := strings.Cut(c.image, "/")
			found, err := files.Endpoints(registry, repository)
			if err != nil || len(found) != 1 {
				t.Fatalf("%d endpoints, %v", len(found), err)
			}
			if got := strings.Join(names(found[0]), " "); got != c.cas ||
				len(found[0].Certificates) != c.certificates {
				t.Errorf("CAs %q and %d certificates, want %q and %d", got, len(found[0].Certificates), c.cas,
					c.certificates)
			}
		})
	}
}

func TestBadDockerCerts(t *testing.T) {
	m := newMaterial(t)
	for _, c := range []struct {
		name  string
		files map[string]string
		words []string
	}{
		{"certificate without key", map[string]string{"x.cert": m.cert}, []string{"x.cert", "x.key"}},
		{"key without certificate", map[string]string{"x.key": m.key}, []string{"x.key", "x.cert"}},
		{"key of another name", map[string]string{"x.cert": m.cert, "y.key": m.key}, []string{"x.cert", "x.key"}},
		{"CA called .cert", map[string]string{"ca.cert": m.ca.pem}, []string{"ca.cert", "CA", ".crt"}},
		{"key of another certificate", map[string]string{"x.cert": m.cert, "x.key": m.otherK},
			[]string{"x.cert", "x.key"}},
		{"key that is none", map[string]string{"x.cert": m.cert, "x.key": "x"}, []string{"x.cert", "x.key"}},
		{"certificate that is none", map[string]string{"x.cert": "x"}, []string{"x.cert", "no certificate"}},
		{"CA that is none", map[string]string{"x.crt": "x"}, []string{"x.crt", "no certificate"}},
		{"broken CA", map[string]string{"x.crt": pemOf("CERTIFICATE", []byte("x"))}, []string{"x.crt"}},
		{"key called .crt", map[string]string{"x.crt": m.key}, []string{"x.crt", "no certificate"}},
		{"huge CA", map[string]string{"x.crt": m.ca.pem + strings.Repeat("\n", maxFile)},
			[]string{"x.crt", "larger"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			content := map[string]string{}
			for name, text := range c.files {
				content["docker/r.corp/"+name] = text
			}
			files, root := tree(t, content)
			_, err := files.Endpoints("r.corp", "a")
			wantError(t, err, append(c.words, filepath.Join(root, "docker", "r.corp"))...)
			if err != nil && strings.Contains(err.Error(), "PRIVATE") {
				t.Errorf("the error shows a key: %v", err)
			}
		})
	}
}

func TestFirstCertDirectory(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	files, root := tree(t, map[string]string{
		"docker/r.corp/ca.crt": ca.pem,
		"docker/s.corp/ca.crt": ca.pem,
		"user/r.corp/ca.crt":   other.pem,
		"user/s.corp":          "not a directory",
	})
	files.DockerCerts = []string{filepath.Join(root, "absent"), filepath.Join(root, "user"),
		filepath.Join(root, "docker")}
	found, err := files.Endpoints("r.corp", "a")
	if err != nil || !slices.Equal(names(found[0]), []string{"other"}) {
		t.Errorf("r.corp trusts %v, %v, want only what the first directory holds", names(found[0]), err)
	}
	_, err = files.Endpoints("s.corp", "a")
	wantError(t, err, filepath.Join(root, "user", "s.corp"))
}

// TestCertificatesStayAtTheirHost: neither a mirror nor a host of hosts.toml gets the certificates of
// another host.
func TestCertificatesStayAtTheirHost(t *testing.T) {
	m := newMaterial(t)
	certs := map[string]string{
		"docker/r.corp/client.cert":      m.cert,
		"docker/r.corp/client.key":       m.key,
		"docker/r.corp/ca.crt":           m.ca.pem,
		"docker/m.corp:5000/ca.crt":      m.other.pem,
		"docker/m.corp:5000/client.cert": m.otherCert,
		"docker/m.corp:5000/client.key":  m.otherK,
		"docker/m.corp:6000/ca.crt":      "must not be read",
	}
	want := lines(
		"//m.corp:5000/v2/ a "+reading+" mirror=m.corp:5000NS cas=1 certificates=1",
		"//m.corp/v2/ a "+reading+" mirror=m.corpNS",
		"//r.corp/v2/ a "+all+" cas=1 certificates=1")
	for _, c := range []struct{ name, file, toml, ns string }{
		{"hosts.toml", "containerd/r.corp/hosts.toml", "[host.'m.corp:5000']\n[host.'m.corp']", " ns=r.corp"},
		{"registries.conf", "registries.conf",
			"[[registry]]\nlocation = 'r.corp'\n[[registry.mirror]]\nlocation = 'm.corp:5000'\n" +
				"[[registry.mirror]]\nlocation = 'm.corp'", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			content := map[string]string{c.file: c.toml}
			for name, text := range certs {
				content[name] = text
			}
			files, _ := tree(t, content)
			if got, want := endpoints(t, files, "r.corp/a"), strings.ReplaceAll(want, "NS", c.ns); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestHostsCertificates: those that hosts.toml names, relative to itself, and those of certs.d beside them.
func TestHostsCertificates(t *testing.T) {
	m := newMaterial(t)
	content := map[string]string{
		"containerd/r.corp/mirror.pem":   m.ca.pem,
		"containerd/r.corp/both.pem":     m.cert + m.key,
		"containerd/r.corp/sub/x.cert":   m.otherCert,
		"containerd/r.corp/sub/x.key":    m.otherK,
		"containerd/r.corp/ignored.crt":  "not read where there is a hosts.toml",
		"containerd/r.corp/ignored.cert": "not read where there is a hosts.toml",
		"docker/one.corp/ca.crt":         m.other.pem,
		"docker/plain.corp/ca.crt":       "not read for http",
		"elsewhere.pem":                  m.other.pem,
	}
	files, root := tree(t, content)
	elsewhere := filepath.ToSlash(filepath.Join(root, "elsewhere.pem"))
	content["containerd/r.corp/hosts.toml"] = `
ca = ["mirror.pem", "` + elsewhere + `"]
[host."https://one.corp"]
ca = "mirror.pem"
client = "both.pem"
[host."https://two.corp"]
client = ["both.pem"]
[host."https://three.corp"]
client = [["sub/x.cert", "sub/x.key"], ["both.pem", ""], "both.pem"]
[host."http://plain.corp"]
[host."http://four.corp:5000"]
ca = "mirror.pem"
`
	for name, text := range content {
		writeFile(t, filepath.Join(root, filepath.FromSlash(name)), text)
	}
	want := lines(
		"https://one.corp/v2/ a "+reading+" mirror=one.corp ns=r.corp cas=2 certificates=1",
		"https://two.corp/v2/ a "+reading+" mirror=two.corp ns=r.corp certificates=1",
		"https://three.corp/v2/ a "+reading+" mirror=three.corp ns=r.corp certificates=3",
		"http://plain.corp/v2/ a "+reading+" mirror=plain.corp ns=r.corp",
		"//four.corp:5000/v2/ a "+reading+" mirror=four.corp:5000 ns=r.corp or-http cas=1",
		"//r.corp/v2/ a "+all+" cas=2")
	if got := endpoints(t, files, "r.corp/a"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestHostsClientHint(t *testing.T) {
	m := newMaterial(t)
	files, root := tree(t, map[string]string{
		"containerd/r.corp/x.cert":     m.cert,
		"containerd/r.corp/x.key":      m.key,
		"containerd/r.corp/hosts.toml": "client = ['x.cert', 'x.key']",
	})
	_, err := files.Endpoints("r.corp", "a")
	wantError(t, err, filepath.Join(root, "containerd", "r.corp", "hosts.toml"), "x.cert",
		`[["x.cert", "x.key"]]`)
}

// TestContainerdCertificates: without hosts.toml containerd's directory is read like docker's, but a .cert
// may hold the key.
func TestContainerdCertificates(t *testing.T) {
	m := newMaterial(t)
	files, root := tree(t, map[string]string{
		"containerd/r.corp/ca.crt":      m.ca.pem,
		"containerd/r.corp/both.cert":   m.cert + m.key,
		"containerd/r.corp/unused.key":  "x",
		"docker/r.corp/ca.crt":          m.other.pem,
		"containerd/bad.corp/ca.cert":   m.ca.pem,
		"containerd/bad2.corp/x.cert":   m.cert,
		"containerd/_default/proxy.crt": m.other.pem,
		"registries.conf":               mirroredBy("m.corp", "r.corp") + mirroredBy("m.corp", "s.corp"),
	})
	for name, want := range map[string]string{
		"r.corp/a": lines("//m.corp/v2/ a "+reading+" mirror=m.corp", "//r.corp/v2/ a "+all+
			" cas=2 certificates=1"),
		"s.corp/a": lines("//m.corp/v2/ a "+reading+" mirror=m.corp", "//s.corp/v2/ a "+all+" cas=1"),
	} {
		if got := endpoints(t, files, name); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	_, err := files.Endpoints("bad.corp", "a")
	wantError(t, err, filepath.Join(root, "containerd", "bad.corp", "ca.cert"), ".crt")
	_, err = files.Endpoints("bad2.corp", "a")
	wantError(t, err, filepath.Join(root, "containerd", "bad2.corp", "x.cert"), "x.key")
}
