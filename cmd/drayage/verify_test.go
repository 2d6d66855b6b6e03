package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/internal/terminal"
)

// twoImages is a docker tar of two images, one with two layers, by the names of its files.
type twoImages struct {
	files          map[string]string
	names          []string // of the files, in order
	config, diffID [2]string
}

func newTwoImages() *twoImages {
	a := &twoImages{files: map[string]string{}}
	base, top := string(fakeregistry.Tar(map[string]string{"base": "base"})),
		string(fakeregistry.Tar(map[string]string{"top": "top"}))
	a.diffID = [2]string{digest.FromString(base).String(), digest.FromString(top).String()}
	config := func(ids ...string) string {
		return fmt.Sprintf(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["%s"]}}`,
			strings.Join(ids, `","`))
	}
	configs := [2]string{config(a.diffID[0], a.diffID[1]), config(a.diffID[0])}
	var items []string
	for i, layers := range []string{`"base/layer.tar","top/layer.tar"`, `"base/layer.tar"`} {
		id := digest.FromString(configs[i]).Encoded()
		a.config[i] = id + ".json"
		items = append(items, fmt.Sprintf(`{"Config":"%s.json","RepoTags":["example.com/image:%d"],"Layers":[%s]}`,
			id, i+1, layers))
	}
	a.put("manifest.json", "["+strings.Join(items, ",")+"]")
	a.put(a.config[0], configs[0])
	a.put(a.config[1], configs[1])
	a.put("base/layer.tar", base)
	a.put("base/VERSION", "1.0")
	a.put("top/layer.tar", top)
	return a
}

func (a *twoImages) put(name, content string) {
	if _, there := a.files[name]; !there {
		a.names = append(a.names, name)
	}
	a.files[name] = content
}

// change replaces text in a file of the archive.
func (a *twoImages) change(name, old, new string) {
	a.files[name] = strings.Replace(a.files[name], old, new, 1)
}

func (a *twoImages) write(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range a.names {
		if content, ok := a.files[name]; ok {
			err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))})
			_, werr := w.Write([]byte(content))
			if err := errors.Join(err, werr); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.tar")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Every image of a docker tar gets its line, and every fault is named.
func TestVerifyNamesEveryFault(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(a *twoImages)
		// what the lines begin with or hold, with | between; $C and $D are the digests of configurations, $0 and
		// $1 diff IDs
		want []string
	}{
		"nothing": {func(a *twoImages) {

		}, []string{"ok example.com/image:1 image ID $C", "ok example.com/image:2 image ID $D"}},
		"a layer is missing": {func(a *twoImages) { delete(a.files, "top/layer.tar") },
			[]string{"bad example.com/image:1: layer $1: missing", "ok example.com/image:2"}},
		"all layers are missing": {func(a *twoImages) {
			delete(a.files, "top/layer.tar")
			delete(a.files, "base/layer.tar")
		},
			[]string{"bad example.com/image:1: layer $0: missing; layer $1: missing",
				"bad example.com/image:2: layer $0: missing"}},
		"a configuration is missing": {func(a *twoImages) { delete(a.files, a.config[0]) },
			[]string{"bad example.com/image:1: configuration $C: missing", "ok example.com/image:2"}},
		"both configurations and a layer are missing": {func(a *twoImages) {
			delete(a.files, a.config[0])
			delete(a.files, a.config[1])
			delete(a.files, "top/layer.tar")
		},
			[]string{`bad example.com/image:1: configuration $C: missing; layer "top/layer.tar": missing`,
				"bad example.com/image:2: configuration $D: missing"}},
		"a configuration is changed": {func(a *twoImages) { a.change(a.config[1], "amd64", "arm64") },
			[]string{"ok example.com/image:1",
				"bad example.com/image:2: configuration $D: the bytes hash to sha256:"}},
		"a configuration is changed and a layer too": {func(a *twoImages) {
			a.change(a.config[0], "amd64", "arm64")
			a.change("top/layer.tar", "top", "tap")
		},
			[]string{"bad example.com/image:1: configuration $C: the bytes hash to sha256:|; layer $1: its content " +
				"hashes to", "ok example.com/image:2"}},
		"a configuration is no JSON": {func(a *twoImages) { a.files[a.config[0]] = "{" },
			[]string{"bad example.com/image:1: configuration $C: the bytes hash to", "ok example.com/image:2"}},
		"a configuration is for fewer layers": {func(a *twoImages) {
			a.change("manifest.json", a.config[0], a.config[1])
		},
			[]string{"bad example.com/image:1: configuration $D: it has 1 diff IDs for 2 layers",
				"ok example.com/image:2"}},
		"a configuration without a digest is missing, and its image has no name": {func(a *twoImages) {
			a.change("manifest.json", a.config[0], "config")
			a.change("manifest.json", `["example.com/image:1"]`, "null")
		}, []string{`bad config: configuration "config": missing`, "ok example.com/image:2"}},
		"a layer is there twice": {func(a *twoImages) { a.put("./base/layer.tar", "other") },
			[]string{`bad example.com/image:1: layer $0: "archive is ambiguous: it has several entries \"base/layer.tar\" that differ"`, "bad example.com/image:2: layer $0: "}},
		"a shared layer is changed": {func(a *twoImages) { a.change("base/layer.tar", "base", "vase") },
			[]string{"bad example.com/image:1: layer $0: its content hashes to",
				"bad example.com/image:2: layer $0: its content hashes to"}},
		"one file is said to be two layers": {func(a *twoImages) {
			a.change("manifest.json", "top/layer.tar", "base/layer.tar")
		},
			[]string{"bad example.com/image:1: layer $1: its content hashes to $0, the image configuration says $1",
				"ok example.com/image:2"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newTwoImages()
			c.spoil(a)
			path := a.write(t)
			stdout, stderr, code := command(t, "verify", path)
			lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
			if len(lines) != len(c.want) {
				t.Fatalf("%q; %s", lines, stderr)
			}
			bad := 0
			digests := strings.NewReplacer("$C", "sha256:"+strings.TrimSuffix(a.config[0], ".json"), "$D",
				"sha256:"+strings.TrimSuffix(a.config[1], ".json"),
				"$0", a.diffID[0], "$1", a.diffID[1])
			for i, want := range c.want {
				if strings.HasPrefix(want, "bad") {
					bad++
				}
				want = digests.Replace(want)
				parts := strings.Split(want, "|")
				if !strings.HasPrefix(lines[i], parts[0]) || !strings.Contains(lines[i], parts[len(parts)-1]) {
					t.Errorf("%q, want %q", lines[i], want)
				}
			}
			checkVerifyJSON(t, path, lines)
			if code != map[bool]int{true: exitIntegrity, false: exitDone}[bad > 0] ||
				bad > 0 && !strings.Contains(stderr, fmt.Sprintf("%d of 2 images are bad", bad)) {
				t.Errorf("exit code %d: %s", code, stderr)
			}
		})
	}
}

// An archive that both index.json and manifest.json describe, with uncompressed layers as Docker 25 writes
// them: whatever blob is missing or changed, each image gets its line.
func TestVerifyNamesEveryFaultOfBoth(t *testing.T) {
	_, host := lookingRegistry(t)
	dir := t.TempDir()
	saved, plain, spoilt := filepath.Join(dir, "saved.tar"), filepath.Join(dir, "plain.tar"),
		filepath.Join(dir, "spoilt.tar")
	for _, args := range [][]string{{host + "/base:1", host + "/solo:1", "-o", saved, "--platform",
		"linux/amd64"}, {saved, "-o", plain, "--format", "oci"}} {
		if _, stderr, code := command(t, append([]string{"save"}, args...)...); code != 0 {
			t.Fatal(stderr)
		}
	}
	checkLoose(t, plain, 0, 0)
	raw, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	spoils := 0
	for r := tar.NewReader(bytes.NewReader(raw)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		blob, ok := strings.CutPrefix(h.Name, "blobs/sha256/")
		if !ok {
			continue
		}
		content, _ := io.ReadAll(r)
		for what, changed := range map[string]string{"missing": "", "changed": "x" + string(content[1:])} {
			name := h.Name
			if changed == "" {
				name = ""
			}
			retar(t, plain, spoilt, h.Name, name, changed)
			stdout, stderr, code := command(t, "verify", spoilt)
			lines := strings.Split(strings.TrimSpace(stdout), "\n")
			if len(lines) != 2 {
				t.Errorf("%s %s: %s%s", what, blob, stdout, stderr)
				continue
			}
			if code == exitDone && what == "missing" && bytes.Contains(content, []byte(`"layers"`)) &&
				strings.Contains(stderr, "it is read by manifest.json") {
				continue // the image is whole without this manifest, which no registry has
			}
			bad := 0
			for _, line := range lines {
				if strings.HasPrefix(line, "bad ") {
					bad++
					if !strings.Contains(line, " sha256:"+blob+": ") {
						t.Errorf("%s %s: %s", what, blob, line)
					}
				}
			}
			if code != exitIntegrity || bad == 0 {
				t.Errorf("%s %s: exit code %d: %s%s", what, blob, code, stdout, stderr)
			}
			spoils++
		}
	}
	if spoils < 8 {
		t.Errorf("only %d times was something found bad", spoils)
	}
}

// checkVerifyJSON checks that --json tells of the faults that the lines name.
func checkVerifyJSON(t *testing.T, path string, lines []string) {
	t.Helper()
	stdout, _, _ := command(t, "verify", path, "--json", "-q")
	var doc struct {
		Images []struct {
			Name   string
			OK     bool
			Faults []struct{ Kind, Digest, Path, Reason string }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &doc); err != nil || len(doc.Images) != len(lines) {
		t.Fatalf("%v: %s", err, stdout)
	}
	for i, im := range doc.Images {
		if im.OK != strings.HasPrefix(lines[i], "ok ") || im.OK != (len(im.Faults) == 0) {
			t.Errorf("%s: %+v", lines[i], im)
		}
		for _, f := range im.Faults {
			blob := f.Digest
			if blob == "" {
				blob = f.Path
			}
			if f.Path == "" || f.Reason == "" || !strings.Contains(lines[i], f.Kind+" ") ||
				!strings.Contains(lines[i], blob) {
				t.Errorf("%s: %+v", lines[i], f)
			}
		}
	}
}

// What nothing refers to is no fault, in no archive, but it is told.
func TestVerifyCountsWhatNothingRefersTo(t *testing.T) {
	a := newTwoImages()
	a.put("repositories", "{}")
	a.put("stray/layer.tar", "12345")
	a.put("0000.json", "678")
	checkLoose(t, a.write(t), 2, 8)

	_, host := lookingRegistry(t)
	dir := t.TempDir()
	for format, platform := range map[string]string{"docker": "linux/amd64", "oci": "all"} {
		path := filepath.Join(dir, format+".tar")
		if _, stderr, code := command(t, "save", host+"/team/app:1", "-o", path, "--format", format, "--platform",
			platform); code != 0 {
			t.Fatal(stderr)
		}
		checkLoose(t, path, 0, 0)
		for _, without := range []string{"nothing", "manifest.json"} {
			if without == "manifest.json" && format == "docker" {
				continue
			}
			stray := filepath.Join(dir, "stray.tar")
			retar(t, path, stray, without, "blobs/sha256/"+digest.FromString("stray").Encoded(), "stray")
			checkLoose(t, stray, 1, 5)
		}
	}
}

func checkLoose(t *testing.T, path string, blobs, size int) {
	t.Helper()
	stdout, stderr, code := command(t, "verify", path, "--json")
	var doc struct {
		Images       []struct{ OK bool }
		Unreferenced *struct{ BlobCount, SizeBytes int }
	}
	if err := json.Unmarshal([]byte(stdout), &doc); err != nil || code != 0 || doc.Unreferenced == nil {
		t.Fatalf("%s: %v: %s%s", filepath.Base(path), err, stdout, stderr)
	}
	if doc.Unreferenced.BlobCount != blobs || doc.Unreferenced.SizeBytes != size || len(doc.Images) == 0 {
		t.Errorf("%s: %s, want %d blobs with %d bytes", filepath.Base(path), stdout, blobs, size)
	}
	note := fmt.Sprintf("note: no image leads to %s with %d B", terminal.Count(blobs, "blob"), size)
	if strings.Contains(stderr, note) != (blobs > 0) {
		t.Errorf("%s: %s, want %q", filepath.Base(path), stderr, note)
	}
}

// retar copies a tar but for one entry, and adds one.
func retar(t *testing.T, from, to, without, name, content string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	r, w := tar.NewReader(bytes.NewReader(raw)), tar.NewWriter(&out)
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Name == without {
			continue
		}
		err = w.WriteHeader(h)
		if _, cerr := io.Copy(w, r); err != nil || cerr != nil {
			t.Fatal(err, cerr)
		}
	}
	if name != "" {
		err = w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))})
		if _, werr := w.Write([]byte(content)); err != nil || werr != nil {
			t.Fatal(err, werr)
		}
	}
	if err := errors.Join(w.Close(), os.WriteFile(to, out.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// A foreign layer need not be there, in whatever the image travels.
func TestVerifyForeignLayerMayBeAbsent(t *testing.T) {
	a := newTwoImages()
	delete(a.files, "top/layer.tar")
	a.change("manifest.json", `"Layers":["base/layer.tar","top/layer.tar"]`,
		`"Layers":["base/layer.tar","top/layer.tar"],"LayerSources":{"`+
			a.diffID[1]+`":{"mediaType":"`+image.DockerForeign+`.gzip","urls":["https://example.com/layer"]}}`)
	checkAbsent(t, a.write(t), a.diffID[1])

	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "DOCKER_CONFIG"} {
		t.Setenv(name, t.TempDir())
	}
	reg := fakeregistry.New()
	base, top := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"a": "a"})),
		fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"b": "b"}))
	top.MediaType = image.DockerForeign + ".gzip"
	reg.PutImage("app", "1", fakeregistry.Image{Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
		Docker: true, Layers: []fakeregistry.Layer{base, top}})
	server := httptest.NewServer(reg)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	whole, absent := filepath.Join(dir, "whole.tar"), filepath.Join(dir, "absent.tar")
	if _, stderr, code := command(t, "save", strings.TrimPrefix(server.URL, "http://")+"/app:1", "-o", whole,
		"--format", "oci", "--platform", "linux/amd64"); code != 0 {
		t.Fatal(stderr)
	}
	foreign := digest.FromBytes(top.Content)
	retar(t, whole, absent, "blobs/sha256/"+foreign.Encoded(), "", "")
	checkAbsent(t, absent, foreign.String())
}

func checkAbsent(t *testing.T, path, want string) {
	t.Helper()
	stdout, stderr, code := command(t, "verify", path)
	if code != 0 || strings.Contains(stdout, "bad") ||
		!strings.Contains(stderr, "not here, and need not be: "+want) {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	var doc struct{ Images []struct{ Absent []string } }
	stdout, _, _ = command(t, "verify", path, "--json", "-q")
	if err := json.Unmarshal([]byte(stdout), &doc); err != nil ||
		!slices.Equal(doc.Images[0].Absent, []string{want}) {
		t.Errorf("%v: %s", err, stdout)
	}
}
