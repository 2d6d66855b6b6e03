package mirrorconf_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/pelletier/go-toml/v2"

	"drayage/internal/hostconfig"
	"drayage/internal/mirrorconf"
	"drayage/registry"
	"drayage/upload"
)

var update = flag.Bool("update", false, "write the golden files")

// someCA has the form of certificates; nobody reads it here.
const someCA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

const pinned = "quay.io/team/pinned@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// names are those of the images in all cases, out of order and one twice.
var names = []string{"quay.io/team/app:1", "alpine:3.20", "localhost:5000/tool:2", pinned,
	"registry.k8s.io/pause:3.9", "registry.k8s.io/coredns/coredns:v1.11.1", "alpine:3.20", "[fd00::1]:5000/v6:1"}

// mirrorCase is a way to push, and to reach the mirror.
type mirrorCase struct {
	name, dest string
	mirror     mirrorconf.Mirror
	renaming   upload.Renaming
}

var cases = []mirrorCase{
	{"prefix", "harbor.corp/mirror/", mirrorconf.Mirror{}, upload.Renaming{}},
	{"root", "http://10.0.0.5:5000/", mirrorconf.Mirror{}, upload.Renaming{}},
	{"loopback", "127.0.0.1:5000/", mirrorconf.Mirror{}, upload.Renaming{}},
	{"host", "harbor.corp:8443/m/", mirrorconf.Mirror{CA: someCA}, upload.Renaming{KeepHost: true}},
	{"fallback", "harbor.corp/", mirrorconf.Mirror{Fallback: true, SkipVerify: true}, upload.Renaming{}},
	{"flatten", "harbor.corp/", mirrorconf.Mirror{}, upload.Renaming{Flatten: true}},
}

// plan is the plan for images that were pushed to dest.
func plan(
	t testing.TB, m mirrorconf.Mirror, dest string, r upload.Renaming, names ...string,
) *mirrorconf.Plan {
	t.Helper()
	d, err := upload.ParseDestination(dest)
	if err == nil {
		d, err = d.Rename(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	m.At(dest, d.Registry())
	var images []mirrorconf.Image
	for _, n := range names {
		from, err := registry.ParseReference(n)
		if err != nil {
			t.Fatal(err)
		}
		to, err := d.Place(from.Recorded())
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, mirrorconf.Image{From: from, To: to})
	}
	return mirrorconf.New(m, images)
}

func part(t testing.TB, p *mirrorconf.Plan, engine string) mirrorconf.Part {
	t.Helper()
	return p.Part(engine, "DIR")
}

// TestGolden compares all files of all engines, and what is said of them, with testdata.
func TestGolden(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := plan(t, c.mirror, c.dest, c.renaming, names...)
			var lines []string
			for _, e := range mirrorconf.Engines {
				made := part(t, p, e)
				_, printed := p.Result("", []mirrorconf.Part{made})
				lines = slices.Concat(lines, made.Told("DIR"), []string{""}, printed, []string{"", ""})
			}
			got, file := strings.Join(lines, "\n"), filepath.Join("testdata", c.name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("not what is in %s:\n%s", file, got)
			}
		})
	}
}

// TestDrayageReadsThem has drayage's own reader of these files find every image where push has put it, and
// nowhere else.
func TestDrayageReadsThem(t *testing.T) {
	for _, c := range cases {
		for _, engine := range []string{mirrorconf.Containerd, mirrorconf.Docker, mirrorconf.Podman} {
			if c.renaming.Flatten && engine != mirrorconf.Podman {
				continue
			}
			t.Run(c.name+"/"+engine, func(t *testing.T) {
				m := c.mirror
				m.CA = "" // it is no certificate
				made := part(t, plan(t, m, c.dest, c.renaming, names...), engine)
				dir := t.TempDir()
				if err := mirrorconf.Write(dir, []mirrorconf.Part{made}); err != nil {
					t.Fatal(err)
				}
				at := hostconfig.Files{ContainerdCerts: []string{filepath.Join(dir, "containerd"),
					filepath.Join(dir, "docker", "certs.d")},
					RegistriesConf: []hostconfig.RegistriesConf{{Dirs: []string{filepath.Join(dir, "podman")}}}}
				for _, name := range names {
					checkEndpoint(t, at, c, name)
				}
			})
		}
	}
}

func checkEndpoint(t *testing.T, at hostconfig.Files, c mirrorCase, name string) {
	t.Helper()
	from, _ := registry.ParseReference(name)
	d, _ := upload.ParseDestination(c.dest)
	d, _ = d.Rename(c.renaming)
	to, err := d.Place(from.Recorded())
	if err != nil {
		t.Fatal(err)
	}
	found, err := at.Endpoints(from.Registry, from.Repository)
	if err != nil {
		t.Fatal(err)
	}
	found = slices.DeleteFunc(found, func(e hostconfig.Endpoint) bool { return !e.Digests && !e.Tags }) // pushes
	first := found[0]
	got := strings.TrimPrefix(first.URL.Path+first.Repository, "/v2/")
	if first.URL.Host != to.Registry || got != to.Repository {
		t.Errorf("%s is looked for as %s at %s, not as %s", name, got, first.URL.Host, to.Name())
	}
	if own := found[len(found)-1]; (own.URL.Host != to.Registry) != c.mirror.Fallback {
		t.Errorf("%s: the last place is %s, fallback is %t", name, own.URL.Host, c.mirror.Fallback)
	}
	http := strings.HasPrefix(c.dest, "http:") || strings.HasPrefix(c.dest, "127.")
	if http && first.URL.Scheme == "https" {
		t.Errorf("%s is asked for by https", name)
	}
}

// TestTOML: every TOML file parses, and no key stands behind a table by mistake.
func TestTOML(t *testing.T) {
	for _, c := range cases {
		p := plan(t, c.mirror, c.dest, c.renaming, names...)
		for _, e := range mirrorconf.Engines {
			for _, f := range part(t, p, e).Files {
				if ext := filepath.Ext(f.Path); ext != ".toml" && ext != ".conf" {
					continue
				}
				var doc map[string]any
				if err := toml.Unmarshal([]byte(f.Content), &doc); err != nil {
					t.Errorf("%s: %v", f.Path, err)
				}
				if _, table := doc["host"].(map[string]any); filepath.Ext(f.Path) == ".toml" && !table {
					t.Errorf("%s has no table for hosts, which containerd 1 wants:\n%s", f.Path, f.Content)
				}
			}
		}
	}
}

// TestSameBytes: the order of the images does not count.
func TestSameBytes(t *testing.T) {
	turned := slices.Clone(names)
	slices.Reverse(turned)
	for _, c := range cases {
		for _, e := range mirrorconf.Engines {
			one := part(t, plan(t, c.mirror, c.dest, c.renaming, names...), e)
			other := part(t, plan(t, c.mirror, c.dest, c.renaming, turned...), e)
			if !slices.Equal(one.Files, other.Files) || !slices.Equal(one.Limits, other.Limits) {
				t.Errorf("%s: %s differs", c.name, e)
			}
		}
	}
}

// TestRetagged: no engine is told of a tag that is another one in the mirror, or of a repository that became
// two. The others of the registry keep their rule.
func TestRetagged(t *testing.T) {
	rules, err := upload.ParseMapping(strings.NewReader("alpine:3.20 library/alpine:old\nquay.io/a/b:1 one\n"+
		"quay.io/a/b:2 two\n"), "map.txt")
	if err != nil {
		t.Fatal(err)
	}
	p := plan(t, mirrorconf.Mirror{}, "harbor.corp/", upload.Renaming{Mapping: rules}, "alpine:3.20",
		"busybox:1", "quay.io/a/b:1", "quay.io/a/b:2")
	for _, e := range mirrorconf.Engines {
		made := part(t, p, e)
		said := strings.Join(made.Limits, "\n")
		for _, odd := range []string{"docker.io/library/alpine:3.20", "quay.io/a/b:1", "quay.io/a/b:2"} {
			if !strings.Contains(said, odd) {
				t.Errorf("%s: nothing is said of %s:\n%s", e, odd, said)
			}
		}
		for _, f := range made.Files {
			if strings.Contains(f.Content, "quay.io") && f.Path != "docker/pull.sh" {
				t.Errorf("%s has a rule for quay.io:\n%s", f.Path, f.Content)
			}
		}
	}
}

// TestOwn: names of the mirror itself need no rule.
func TestOwn(t *testing.T) {
	p := plan(t, mirrorconf.Mirror{}, "harbor.corp/m/", upload.Renaming{}, "harbor.corp/m/a:1", "quay.io/a:1")
	if got := p.Hosts; !p.Own || !slices.Equal(got, []string{"quay.io"}) {
		t.Errorf("own %t, hosts %v", p.Own, got)
	}
}

func TestClash(t *testing.T) {
	ref := func(s string) registry.Reference { r, _ := registry.ParseReference(s); return r }
	im := func(from string, d digest.Digest) mirrorconf.Image {
		return mirrorconf.Image{From: ref(from), To: ref("harbor.corp/a:1"), Digest: d}
	}
	for _, c := range []struct {
		one, other  digest.Digest
		found, sure bool
	}{{"x", "x", false, false}, {"x", "y", true, true}, {"", "", true, false}, {"x", "", true, false}} {
		p := mirrorconf.New(mirrorconf.Mirror{Host: "harbor.corp"},
			[]mirrorconf.Image{im("quay.io/a:1", c.one), im("ghcr.io/a:1", c.other)})
		clash, found := p.Clash()
		if found != c.found || clash.Sure != c.sure || found && clash.First != "ghcr.io/a:1" {
			t.Errorf("%q, %q: %t, %+v", c.one, c.other, found, clash)
		}
	}
}

// TestWrite has what may be there already.
func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "mirrors")
	write := func() (replaced []string, err error) {
		parts := []mirrorconf.Part{part(t, plan(t, mirrorconf.Mirror{}, "10.0.0.5:5000/", upload.Renaming{},
			"alpine:1"), "docker")}
		err = mirrorconf.Write(dir, parts)
		for _, f := range parts[0].Files {
			if f.Replaced {
				replaced = append(replaced, f.Path)
			}
		}
		return replaced, err
	}
	for range 2 {
		if replaced, err := write(); err != nil || replaced != nil {
			t.Fatalf("%v, %v", replaced, err)
		}
	}
	daemon, hosts := filepath.Join(dir, "docker", "daemon.json"),
		filepath.Join(dir, "docker", "certs.d", "docker.io", "hosts.toml")
	put := func(name, content string) {
		if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	put(daemon, `{"registry-mirrors": ["https://old.corp"]}`)
	put(hosts, "# Written by drayage mirrors, which replaces it.\n# edited\n")
	replaced, err := write()
	if want := []string{"docker/daemon.json", "docker/certs.d/docker.io/hosts.toml"}; err != nil ||
		!slices.Equal(replaced, want) {
		t.Errorf("replaced %v, %v", replaced, err)
	}
	for name, own := range map[string]string{daemon: `{"data-root": "/"}`, hosts: "server = \"https://own\"\n"} {
		before, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		put(name, own)
		if _, err := write(); err == nil {
			t.Errorf("%s was replaced", name)
		}
		if raw, _ := os.ReadFile(name); string(raw) != own {
			t.Errorf("%s is %q now", name, raw)
		}
		put(name, string(before))
	}
}

func TestAt(t *testing.T) {
	for _, c := range []struct {
		address, host string
		flags         mirrorconf.Mirror
		plain         bool
	}{
		{"harbor.corp", "harbor.corp", mirrorconf.Mirror{}, false},
		{"HTTP://harbor.corp", "harbor.corp", mirrorconf.Mirror{}, true},
		{"localhost:5000", "localhost:5000", mirrorconf.Mirror{}, true},
		{"https://localhost:5000", "localhost:5000", mirrorconf.Mirror{}, false},
		{"localhost:5000", "localhost:5000", mirrorconf.Mirror{CA: someCA}, false},
		{"127.0.0.1:5000", "127.0.0.1:5000", mirrorconf.Mirror{SkipVerify: true}, false},
		{"127.0.0.1:443", "127.0.0.1:443", mirrorconf.Mirror{}, false},
		{"[::1]:5000", "[::1]:5000", mirrorconf.Mirror{}, true},
		{"10.0.0.1:5000", "10.0.0.1:5000", mirrorconf.Mirror{PlainHTTP: true}, true},
	} {
		m := c.flags
		if m.At(c.address, c.host); m.PlainHTTP != c.plain || m.Host != c.host {
			t.Errorf("%s: %+v", c.address, m)
		}
	}
}
