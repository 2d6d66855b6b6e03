package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/fakeregistry"
	"drayage/internal/report"
)

// mover compares what a dry run says with what the command then moves.
type mover struct {
	*testing.T
	from, to       *fakeregistry.Registry
	source, target string // their addresses
}

// newMover starts two registries. The first has app:1 for two platforms, app:2 with the same base, solo:1
// without an index, and two:1 with a signature.
func newMover(t *testing.T) *mover {
	m := &mover{T: t, from: fakeregistry.New(), to: fakeregistry.New()}
	m.source, m.target = serveFake(t, m.from), serveFake(t, m.to)
	t.Chdir(t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	base := m.layer(1, 200_000)
	put := func(repo, tag, arch string, layers ...fakeregistry.Layer) v1.Descriptor {
		im := fakeregistry.Image{Layers: layers, Platform: v1.Platform{OS: "linux", Architecture: arch}}
		im.Config.Config = v1.ImageConfig{Env: []string{"A=" + repo + tag}}
		return m.from.PutImage(repo, tag, im)
	}
	m.from.PutIndex("app", "1", false, put("app", "", "amd64", base, m.layer(2, 90_000)),
		put("app", "", "arm64", m.layer(3, 70_000), m.layer(4, 1000)))
	m.from.PutIndex("app", "2", false, put("app", "", "amd64", base, m.layer(5, 50_000)))
	put("solo", "1", "amd64", base, m.layer(6, 30_000))
	put("solo", "2", "amd64", base, m.layer(6, 30_000))
	return m
}

func (m *mover) layer(seed byte, size int) fakeregistry.Layer {
	content := make([]byte, size)
	rand.NewChaCha8([32]byte{seed}).Read(content)
	return fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"f": string(content)}))
}

// line are the words of a command. FROM and TO stand for the registries.
func (m *mover) line(text string) []string {
	return strings.Fields(strings.NewReplacer("FROM", m.source, "TO", m.target).Replace(text))
}

// files are all files below the working directory, with their content.
func (m *mover) files() map[string]string {
	m.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			all[path] = "a directory"
			return err
		}
		raw, err := os.ReadFile(path)
		all[path] = string(raw)
		return err
	})
	if err != nil {
		m.Fatal(err)
	}
	return all
}

// expected runs a command with --dry-run, which may not change anything, nor read a layer or write to a
// registry. It returns the result and the exit code.
func (m *mover) expected(text string) (report.Document, int) {
	m.Helper()
	before := m.files()
	m.from.Reset()
	m.to.Reset()
	var stdout, stderr bytes.Buffer
	args := append(append([]string{"drayage"}, m.line(text)...), "--dry-run", "--json", "-q")
	code := run(args, nil, &stdout, &stderr)
	if diff := cmp.Diff(before, m.files()); diff != "" {
		m.Errorf("%s --dry-run changes files (-before +after):\n%.500s", text, diff)
	}
	for _, reg := range []*fakeregistry.Registry{m.from, m.to} {
		for _, e := range reg.Requests("", "") {
			if e.Method != "GET" && e.Method != "HEAD" {
				m.Errorf("%s --dry-run asks %s %s", text, e.Method, e.Path)
			}
			if e.Sent > 2000 && strings.Contains(e.Path, "/blobs/") {
				m.Errorf("%s --dry-run reads %d bytes of %s", text, e.Sent, e.Path)
			}
		}
	}
	var doc report.Document
	if err := json.Unmarshal(stdout.Bytes(), &doc); err != nil {
		m.Fatalf("%s --dry-run: exit code %d, %v\n%s%s", text, code, err, &stdout, &stderr)
	}
	return doc, code
}

// exact compares what a dry run says with the ledgers of the real run: what the first registry sends of
// blobs, and the second one gets.
func (m *mover) exact(text string) report.Document {
	m.Helper()
	doc, code := m.expected(text)
	m.from.Reset()
	m.to.Reset()
	got, said := drayage(m.T, append(m.line(text), "-q")...)
	if got != code {
		m.Errorf("%s: exit code %d, and %d with --dry-run\n%s", text, got, code, said)
	}
	moved := m.from.Sent("GET", "/blobs/")
	if !strings.HasPrefix(text, "fetch") && !strings.HasPrefix(text, "save") {
		moved = m.to.Received("PATCH", "/blobs/") + m.to.Received("PUT", "/blobs/")
	}
	if doc.Expected == nil || doc.Expected.ToMoveBytes != moved {
		m.Errorf("%s: %d bytes moved, and --dry-run says %+v", text, moved, doc.Expected)
	}
	return doc
}

// done runs a command that has to do it.
func (m *mover) done(text string) {
	m.Helper()
	if code, said := drayage(m.T, m.line(text)...); code != 0 {
		m.Fatalf("%s: exit code %d\n%s", text, code, said)
	}
}

func (m *mover) present(text string, want bool) {
	m.Helper()
	if doc := m.exact(text); doc.Expected != nil && (doc.Expected.PresentBytes > 0) != want {
		m.Errorf("%s: %d bytes are there already", text, doc.Expected.PresentBytes)
	}
}

// refused expects that the command fails, and with --dry-run in the same way.
func (m *mover) refused(text string) {
	m.Helper()
	_, would := m.expected(text)
	if code, said := drayage(m.T, m.line(text)...); code == 0 || would != code {
		m.Errorf("%s: exit code %d, and %d with --dry-run\n%s", text, code, would, said)
	}
}

func TestForecastOfAFetch(t *testing.T) {
	m := newMover(t)
	m.present("fetch FROM/app:1 -o images --platform linux/amd64", false)
	m.present("fetch FROM/app:1 -o images --platform linux/amd64", true)
	doc := m.exact("fetch FROM/app:1 FROM/app:2 FROM/solo:1 FROM/solo:2 -o images --platform linux/amd64")
	var shared []bool
	for _, im := range doc.Images {
		shared = append(shared, im.Forecast[0].SharedBytes > 0)
	}
	if !slices.Equal(shared, []bool{false, true, true, true}) {
		t.Errorf("shared with an image above: %v", shared)
	}
	m.exact("fetch FROM/app:1 FROM/app:2 FROM/solo:1 FROM/solo:2 -o images --platform linux/amd64")
	m.exact("fetch FROM/app:1 -o images --platform all")
	m.exact("fetch FROM/app:1 FROM/absent:1 -o other --platform linux/arm64")
	m.exact("fetch FROM/absent:1 -o third")
	m.refused("fetch FROM/solo:1 -o third --platform linux/s390x")
	if err := os.WriteFile("file", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	m.refused("fetch FROM/solo:1 -o file")
	m.refused("fetch FROM/solo:1 -o file/below")
	m.refused("fetch FROM/solo:1 -o .") // it holds other things
}

// What a run that was killed has left of a blob does not move again.
func TestForecastOfAFetchThatGoesOn(t *testing.T) {
	m := newMover(t)
	m.exact("fetch FROM/app:1 -o images --platform linux/amd64")
	blobs, _ := filepath.Glob("images/blobs/sha256/*")
	halved := 0
	for _, name := range blobs {
		if fi, err := os.Stat(name); err == nil && fi.Size() > 10_000 {
			halved++
			part := filepath.Join("images/.drayage/partial", "sha256-"+filepath.Base(name))
			if err := os.Rename(name, part); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(part, fi.Size()/2); err != nil {
				t.Fatal(err)
			}
		}
	}
	if halved != 2 {
		t.Fatalf("%d blobs cut in half", halved)
	}
	m.present("fetch FROM/app:1 -o images --platform linux/amd64", true)
}

func TestForecastOfASave(t *testing.T) {
	m := newMover(t)
	both := " FROM/app:1 FROM/app:2 FROM/solo:1 FROM/solo:2"
	for _, form := range []string{"a.tar", "b.tar --format oci", "c.tar.gz", "d.tar.zst --format oci",
		"oci:saved", "e.tar --format oci --platform all"} {
		if !strings.Contains(form, "--platform") {
			form += " --platform linux/amd64"
		}
		m.exact("save" + both + " -o " + form)
	}
	m.exact("save" + both + " -o oci:saved --platform all")
	m.refused("save FROM/solo:1 FROM/absent:1 -o f.tar --platform linux/amd64")
	m.refused("save FROM/app:1 -o g.tar --platform linux/s390x")
	m.refused("save FROM/app:1 -o no/directory/g.tar --platform linux/amd64")
	m.refused("save FROM/app:1 -o h.tar/layout --platform linux/amd64")
	doc := m.exact("save FROM/app:1 -o h.tar --platform linux/amd64")
	if fi, err := os.Stat("h.tar"); err != nil || doc.Expected.Disks[0].NeededBytes != fi.Size() {
		t.Errorf("%+v for %d bytes, %v", doc.Expected.Disks, fi.Size(), err)
	}
}

// Standard output needs no room on a disk, but a docker tar from a registry goes by way of a layout.
func TestForecastOfASaveToStandardOutput(t *testing.T) {
	m := newMover(t)
	for _, form := range []string{"docker", "oci"} {
		doc := m.exact("save FROM/app:1 FROM/solo:1 -o - --platform linux/amd64 --format " + form)
		if n := len(doc.Expected.Disks); (n == 1) != (form == "docker") {
			t.Errorf("%s: %d disks", form, n)
		}
	}
}

// A file that was broken off is gone on with.
func TestForecastOfASaveThatGoesOn(t *testing.T) {
	m := newMover(t)
	big, last := m.layer(7, 2_000_000), m.layer(8, 300_000)
	im := fakeregistry.Image{Layers: []fakeregistry.Layer{big, last}}
	m.from.PutImage("big", "1", im)
	path := "/blobs/" + digest.FromBytes(last.Content).String()
	m.from.On(fakeregistry.Match{Method: "GET", Path: path}, fakeregistry.Status(403))
	line := "save FROM/big:1 -o big.tar --format oci --platform linux/amd64 -j 1"
	if code, text := drayage(t, m.line(line)...); code == 0 {
		t.Fatal(text)
	}
	if _, err := os.Stat("big.tar.partial"); err != nil {
		t.Fatal(err)
	}
	m.from.Heal()
	m.present(line, true)
}

func TestForecastOfAPush(t *testing.T) {
	m := newMover(t)
	m.exact("fetch FROM/app:1 FROM/app:2 FROM/solo:1 -o images --platform linux/amd64")
	m.done("save images -o oci.tar --format oci")
	m.done("save images -o docker.tar")
	m.done("save images -o docker.tar.gz")
	app := "oci:images:" + m.source + "/app:1"
	m.present("push "+app+" TO/first/app:1", false)
	m.present("push "+app+" TO/first/app:1", true)
	m.present("push "+app+" TO/mounted/app:1", true) // the cache knows where it is
	m.present("push images TO/mirror/", true)        // partly there, partly mountable, partly missing
	m.present("push oci.tar TO/mirror/ --keep-host", true)
	m.refused("push oci:images:nothing:1 TO/mirror/")
	m.refused("push images TO/one:1")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	m.exact("push oci.tar TO/fresh/")
	m.exact("push " + app + " TO/first/app:other")
}

// What a layer of a docker tar becomes shows when it has been compressed, unless that has been done before.
func TestForecastOfAPushOfADockerTar(t *testing.T) {
	m := newMover(t)
	m.exact("fetch FROM/app:1 FROM/solo:1 -o images --platform linux/amd64")
	m.done("save images -o docker.tar")
	doc, code := m.expected("push docker.tar TO/mirror/")
	e := doc.Expected
	if code != 0 || e.UncompressedCount != 3 || e.UncompressedBytes < 300_000 {
		t.Errorf("exit code %d, %+v", code, e)
	}
	m.to.Reset()
	m.done("push docker.tar TO/mirror/")
	sent := m.to.Received("PATCH", "/blobs/") + m.to.Received("PUT", "/blobs/")
	if configs := e.ToMoveBytes; configs == 0 || configs > 2000 || sent < e.UncompressedBytes/2 {
		t.Errorf("%d bytes without layers, and %d were sent", configs, sent)
	}
	m.present("push docker.tar TO/mirror/", true)
	other := fakeregistry.New()
	m.to, m.target = other, serveFake(t, other)
	if doc := m.exact("push docker.tar TO/mirror/"); doc.Expected.UncompressedCount != 0 {
		t.Errorf("%+v", doc.Expected)
	}
}

func TestForecastOfACopy(t *testing.T) {
	m := newMover(t)
	m.present("copy FROM/app:1 TO/app:1", false)
	m.present("copy FROM/app:1 TO/app:1", true)
	m.present("copy FROM/app:1 FROM/app:2 FROM/solo:1 FROM/solo:2 TO/mirror/", true)
	m.exact("copy FROM/app:1 FROM/absent:1 TO/other/")
	m.refused("copy FROM/absent:1 TO/other/")
	m.to, m.target = m.from, m.source // mounts
	m.present("copy FROM/app:1 FROM/app:2 FROM/solo:1 TO/mounted/", true)
}

// What the far side has need not move. If it does not have that, a dry run says so as the push does.
func TestForecastOfAThinArchive(t *testing.T) {
	m := newMover(t)
	m.done("save FROM/app:1 -o first.tar --format oci --platform linux/amd64")
	m.present("save FROM/app:1 FROM/app:2 -o second.tar --platform linux/amd64 --since first.tar", true)
	m.refused("push second.tar TO/mirror/")
	m.done("push first.tar TO/mirror/")
	m.present("push second.tar TO/mirror/", true)
	m.exact("push second.tar TO/mirror/")
	m.present("push second.tar TO/other/", true) // all can be mounted
	m.to, m.target = fakeregistry.New(), ""
	m.target = serveFake(t, m.to)
	m.refused("push second.tar TO/mirror/")
	m.exact("push second.tar TO/mirror/ --base first.tar")
}
