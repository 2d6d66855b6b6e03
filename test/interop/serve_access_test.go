//go:build linux

package interop

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"drayage/test/sample"
)

// outside is an address of this machine that is not loopback, where Docker asks for a certificate that it
// knows. If there is none it is 127.0.0.1, where other engines do so too.
func outside(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return "127.0.0.1"
}

// instruction is a file that serve tells an engine to have: its path, and its lines below, or the
// certificate.
var instruction = regexp.MustCompile(`(?m)^ +([^/\n]+?) +(/etc/\S+?)(:?)\n((?: {6}.*\n)*)`)

// obey does what serve says that engines need, with the certificate for the file that it names, and takes
// all of it away again. It returns the names of the engines.
func (s served) obey(t *testing.T) (engines []string) {
	t.Helper()
	said, err := os.ReadFile(s.log)
	if err != nil {
		t.Fatal(err)
	}
	certificate := regexp.MustCompile(`certificate: (\S+?),`).FindSubmatch(said)
	if certificate == nil {
		t.Fatalf("no certificate is named: %s", said)
	}
	pem, err := os.ReadFile(string(certificate[1]))
	if err != nil {
		t.Fatal(err)
	}
	place := func(path string, content []byte) {
		dir := filepath.Dir(path)
		if !strings.Contains(dir, s.addr) {
			return // a file that an engine reads for all registries, such as that of k3s
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		writeFile(t, path, content, 0o644)
	}
	for _, m := range instruction.FindAllStringSubmatch(string(said), -1) {
		content := pem
		if m[3] != "" {
			content = []byte(strings.ReplaceAll(m[4], "      ", ""))
		}
		place(m[2], content)
		engines = append(engines, m[1])
		if at := regexp.MustCompile(`certificate goes to ([^\s;]+)`).FindStringSubmatch(m[4]); at != nil {
			place(at[1], pem)
		}
	}
	return engines
}

// TestServeWithTLSAndPassword serves to other machines, with a certificate of its own and users. Engines
// that do what serve tells them pull, once they have logged in.
func TestServeWithTLSAndPassword(t *testing.T) {
	requireDocker(t)
	require(t, "skopeo", "podman")
	image, here := newSample(t, sample.Options{Text: "with TLS\n"})
	dir := scratch(t)
	tar := filepath.Join(dir, "o.tar")
	drayage(t, "save", seed(t, image, startRegistry3(t), "team/hello", "1"), "-o", tar, "--format", "oci",
		"--platform", "all").ok(t)
	hash, err := bcrypt.GenerateFromPassword([]byte("a:secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "users"), append([]byte("mary:"), hash...), 0o600)
	s := startServe(t, tar, "--addr", outside(t)+":0", "--tls-self-signed", "--tls-dir",
		filepath.Join(dir, "tls"), "--htpasswd", filepath.Join(dir, "users"))
	engines := s.obey(t)
	if len(engines) < 3 {
		t.Fatalf("serve says what %v need", engines)
	}
	ref := s.addr + "/team/hello:1"
	d, p, c := startDocker(t), newPodman(t), startContainerd(t)
	as := func(user home, i invocation) invocation { // drayage reads what the others have stored
		i = user.in(i)
		i.env = append(i.env, "REGISTRY_AUTH_FILE="+filepath.Join(string(user), "auth.json"))
		return i
	}
	ctr := func(args ...string) invocation {
		return invocation{argv: slices.Concat([]string{"ctr", "-a", c.socket, "-n", "drayage", "images", "pull",
			"--hosts-dir", "/etc/containerd/certs.d"}, args)}
	}
	all := []struct {
		name        string
		login, pull invocation
	}{
		{"docker", d.command("login", "-u", "mary", "--password-stdin", s.addr), d.command("pull", ref)},
		{"podman", p.command("login", "-u", "mary", "--password-stdin", s.addr), p.command("pull", ref)},
		{"containerd", invocation{}, ctr("--user", "mary:a:secret", ref)},
		{"drayage", drayageCommand(t, "login", s.addr, "-u", "mary", "--password-stdin"),
			drayageCommand(t, "fetch", ref, "-o", filepath.Join(dir, "layout"), "--platform", "all")},
	}
	for _, e := range all {
		user := newHome(t)
		before := as(user, e.pull)
		if e.login.argv == nil {
			before = ctr(ref)
		}
		if o := before.run(t); o.code == 0 || !strings.Contains(o.stdout+o.stderr, "401") &&
			!strings.Contains(strings.ToLower(o.stdout+o.stderr), "auth") {
			t.Errorf("%s without a password: exit %d: %s", e.name, o.code, o.stderr)
		}
		if e.login.argv != nil {
			e.login.stdin = strings.NewReader("a:secret")
			as(user, e.login).run(t).ok(t)
		}
		as(user, e.pull).run(t).ok(t)
	}
	equal(t, "image ID", d.id(t, ref), here.Config.String())
	equal(t, "docker run prints", d.start(t, ref), here.Output)
	equal(t, "podman run prints", p.start(t, ref), here.Output)
	equal(t, "ctr run prints", c.start(t, ref), here.Output)
	equal(t, "digest", rawDigest(t, "oci:"+filepath.Join(dir, "layout")+":1"), image.Root.Digest)
}
