package layout

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/limits"
	"drayage/internal/verify"
)

func desc(content string) v1.Descriptor {
	return v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromString(content),
		Size: int64(len(content))}
}

func newDir(t *testing.T) *Dir {
	t.Helper()
	d, err := CreateDir(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func (d *Dir) names(t *testing.T) (names []string) {
	t.Helper()
	images, err := d.Images()
	if err != nil {
		t.Fatal(err)
	}
	for _, im := range images {
		names = append(names, im.Name+" "+im.Ref+" "+im.Descriptor.Digest.String()[7:11])
	}
	return names
}

func TestTag(t *testing.T) {
	d := newDir(t)
	a, b := desc("a"), desc("b") // ca97, 3e23
	for _, c := range []struct {
		d         v1.Descriptor
		name, tag string
		old       digest.Digest
		want      []string
	}{
		{a, "docker.io/library/m:1", "1", "", []string{"docker.io/library/m:1 1 ca97"}},
		{b, "docker.io/library/z:1", "1", "", []string{"docker.io/library/m:1 1 ca97",
			"docker.io/library/z:1 1 3e23"}},
		{b, "docker.io/library/a:1", "1", "", []string{"docker.io/library/a:1 1 3e23",
			"docker.io/library/m:1 1 ca97", "docker.io/library/z:1 1 3e23"}},
		{b, "docker.io/library/m:1", "1", a.Digest, []string{"docker.io/library/a:1 1 3e23",
			"docker.io/library/m:1 1 3e23", "docker.io/library/z:1 1 3e23"}},
		{b, "docker.io/library/m:1", "1", b.Digest, []string{"docker.io/library/a:1 1 3e23",
			"docker.io/library/m:1 1 3e23", "docker.io/library/z:1 1 3e23"}},
		{a, "docker.io/library/a@" + a.Digest.String(), "", "",
			[]string{"docker.io/library/a:1 1 3e23", "docker.io/library/a@" + a.Digest.String() + "  ca97",
				"docker.io/library/m:1 1 3e23", "docker.io/library/z:1 1 3e23"}},
	} {
		c.d.Platform, c.d.Annotations = &v1.Platform{OS: "linux"}, map[string]string{"of": "somewhere else"}
		old, err := d.Tag(t.Context(), c.d, c.name, c.tag)
		if err != nil || old.Digest != c.old {
			t.Errorf("%s: replaced %q, %v; want %q", c.name, old.Digest, err, c.old)
		}
		slices.Sort(c.want)
		if diff := cmp.Diff(c.want, d.names(t)); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", c.name, diff)
		}
	}
	raw, err := os.ReadFile(filepath.Join(d.Path(), "index.json"))
	if err != nil || strings.Contains(string(raw), "somewhere else") ||
		strings.Contains(string(raw), "platform") {
		t.Errorf("the index holds more than names: %s, %v", raw, err)
	}
}

func TestTagInAnyOrderGivesTheSameIndex(t *testing.T) {
	var first []byte
	for _, order := range [][]string{{"a:1", "b:1", "c:1"}, {"c:1", "a:1", "b:1"},
		{"b:1", "c:1", "a:1", "b:1"}} {
		d := newDir(t)
		for _, name := range order {
			if _, err := d.Tag(t.Context(), desc(name), "docker.io/library/"+name, "1"); err != nil {
				t.Fatal(err)
			}
		}
		raw, err := os.ReadFile(filepath.Join(d.Path(), "index.json"))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = raw
		}
		if string(raw) != string(first) {
			t.Errorf("%v gives\n%s, not\n%s", order, raw, first)
		}
	}
}

// foreign is an index.json as other tools write it, with things in it that drayage knows nothing about.
var foreign = `{
  "schemaVersion": 2, "x-top": {"deep": [1, 2.50, "<&>"]}, "annotations": {"a": "b"},
  "manifests": [
    {"mediaType": "application/vnd.oci.image.manifest.v1+json",
     "digest": "` + desc("1").Digest.String() + `", "size": 1,
     "annotations": {"org.opencontainers.image.ref.name": "localhost/podman:1", "x": "y"}, "x-entry": true},
    {"mediaType": "application/vnd.oci.image.index.v1+json",
     "digest": "` + desc("2").Digest.String() + `", "size": 1,
     "platform": {"os": "linux", "architecture": "amd64", "x-os": 1}},
    {"mediaType": "application/vnd.oci.image.manifest.v1+json",
     "digest": "` + desc("3").Digest.String() + `", "size": 1,
     "annotations": {"io.containerd.image.name": "docker.io/library/old:1",
      "org.opencontainers.image.ref.name": "1", "x": "y"}}]}`

func TestTagKeepsWhatOthersWrote(t *testing.T) {
	d := newDir(t)
	path := filepath.Join(d.Path(), "index.json")
	if err := os.WriteFile(path, []byte(foreign), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Tag(t.Context(), desc("new"), "docker.io/library/new:1", "1"); err != nil {
		t.Fatal(err)
	}
	var before, after map[string]any
	raw, err := os.ReadFile(path)
	if err := errors.Join(err, json.Unmarshal(raw, &after),
		json.Unmarshal([]byte(foreign), &before)); err != nil {
		t.Fatal(err)
	}
	added := map[string]any{"mediaType": v1.MediaTypeImageManifest, "digest": desc("new").Digest.String(),
		"size":        3.0,
		"annotations": map[string]any{AnnotationName: "docker.io/library/new:1", v1.AnnotationRefName: "1"}}
	old := before["manifests"].([]any)
	before["manifests"] = []any{old[0], old[1], added, old[2]} // sorted by name; those without one come first
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("index.json (-want +got):\n%s", diff)
	}
	if !strings.Contains(string(raw), "2.50") {
		t.Errorf("a number was written anew: %s", raw)
	}
	want := []string{"localhost/podman:1 localhost/podman:1 6b86", "  d473", "docker.io/library/new:1 1 1150",
		"docker.io/library/old:1 1 4e07"}
	if diff := cmp.Diff(want, d.names(t)); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
}

func TestTagDoesNotOverwriteADamagedIndex(t *testing.T) {
	bad := []string{"", "null", "[]", "x", `{"manifests":{}}`, `{"manifests":[1]}`,
		`{"manifests":["sha256:x"]}`, foreign + foreign,
		foreign[:len(foreign)/2], `{"manifests":[{"size":"1"}]}`, `{"manifests":[],"manifests":[]}`}
	d := newDir(t)
	path := filepath.Join(d.Path(), "index.json")
	for _, raw := range bad {
		if err := os.WriteFile(path, []byte(raw), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Tag(t.Context(), desc("new"), "docker.io/library/new:1", "1"); err == nil ||
			!strings.Contains(err.Error(), "index.json") {
			t.Errorf("%.40q: %v", raw, err)
		}
		if images, err := d.Images(); err == nil {
			t.Errorf("%.40q: lists %v", raw, images)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != raw {
			t.Errorf("%.40q became %.40q, %v", raw, after, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Tag(t.Context(), desc("new"), "docker.io/library/new:1", "1"); err == nil {
		t.Error("an index that has gone was made anew: what was in it is lost")
	}
}

func TestTagRefusesWhatWouldSpoilTheIndex(t *testing.T) {
	d := newDir(t)
	path := filepath.Join(d.Path(), "index.json")
	if err := os.WriteFile(path, []byte(foreign), 0o644); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		d    v1.Descriptor
		name string
	}{
		"bad digest":    {v1.Descriptor{Digest: "sha256:../../x", Size: 1}, "docker.io/library/new:1"},
		"negative size": {v1.Descriptor{Digest: desc("x").Digest, Size: -1}, "docker.io/library/new:1"},
		"no name":       {desc("x"), ""}, // which entries of other tools have too
	} {
		if _, err := d.Tag(t.Context(), c.d, c.name, ""); err == nil {
			t.Errorf("%s: no error", what)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != foreign {
			t.Errorf("%s: index.json became %s", what, after)
		}
	}
}

func TestImagesRefusesBadDescriptors(t *testing.T) {
	d := newDir(t)
	for _, entry := range []string{`{}`, `null,{}`, `{"digest":"sha256:../../x","size":1}`,
		`{"digest":"` + desc("1").Digest.String() + `"}`,
		`{"digest":"` + desc("1").Digest.String() + `","size":-1}`} {
		if err := os.WriteFile(filepath.Join(d.Path(), "index.json"), []byte(`{"manifests":[`+entry+`]}`),
			0o644); err != nil {
			t.Fatal(err)
		}
		if images, err := d.Images(); err == nil {
			t.Errorf("%s: %v", entry, images)
		}
	}
}

// What is null in a list is nothing.
func TestImagesPassesOverNull(t *testing.T) {
	d := newDir(t)
	entry := `{"digest":"` + desc("1").Digest.String() + `","size":1,"x":1}`
	path := filepath.Join(d.Path(), "index.json")
	if err := os.WriteFile(path, []byte(`{"manifests":[null,`+entry+`,null]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if images, err := d.Images(); err != nil || len(images) != 1 {
		t.Errorf("%v, %v", images, err)
	}
	if _, err := d.Tag(t.Context(), desc("new"), "docker.io/library/new:1", ""); err != nil {
		t.Error(err)
	}
	if raw, err := os.ReadFile(path); err != nil || !strings.Contains(string(raw), entry) {
		t.Errorf("index.json became %s, %v", raw, err)
	}
}

func TestImagesRefusesAnIndexOfVeryMuch(t *testing.T) {
	d := newDir(t)
	for n, ok := range map[int]bool{limits.IndexValues / 2: true, limits.IndexValues: false} {
		raw := `{"schemaVersion":2,"manifests":[],"x":[` + strings.Repeat("0,", n) + "0]}"
		if err := os.WriteFile(filepath.Join(d.Path(), "index.json"), []byte(raw), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Images(); (err == nil) != ok {
			t.Errorf("an index of %d values: %v", n, err)
		}
	}
}

func TestFind(t *testing.T) {
	d := newDir(t)
	if err := os.WriteFile(filepath.Join(d.Path(), "index.json"), []byte(foreign), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{
		"docker.io/library/old:1": 1, "1": 1, "localhost/podman:1": 1, desc("2").Digest.String(): 1,
		"old": 0, "docker.io/library/old": 0,
	} {
		if found, err := d.Find(name); err != nil || len(found) != want {
			t.Errorf("%s: %v, %v; want %d", name, found, err, want)
		}
	}
}

// FuzzParseIndex checks that what is accepted survives an update: nothing of it is lost, and the new name
// is found.
func FuzzParseIndex(f *testing.F) {
	for _, raw := range []string{foreign, `{}`, `{"manifests":null}`, `{"manifests":[null]}`,
		`{"Manifests":[],"manifests":[]}`, `{"Manifests":[]}`, `null`, foreign[:100]} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		ix, err := parseIndex(raw)
		if err != nil {
			return
		}
		fields, entries := len(ix.fields), len(ix.entries)
		const name = "docker.io/library/new:1"
		old, changed := ix.set(desc("new"), name, "1")
		if err != nil {
			t.Fatal(err)
		}
		if old.Digest == "" && changed {
			entries++
		}
		out, err := ix.marshal()
		if err != nil {
			t.Fatalf("accepted, but cannot be written: %v", err)
		}
		again, err := parseIndex(out)
		if err != nil {
			t.Fatalf("written and then refused: %v", err)
		}
		if len(again.fields) != fields || len(again.entries) < entries {
			t.Fatalf("%d fields and %d entries became %d and %d", fields, entries, len(again.fields),
				len(again.entries))
		}
		found := slices.ContainsFunc(again.entries, func(e entry) bool {
			return e.image().Name == name && e.desc.Digest == desc("new").Digest && verify.Descriptor(e.desc) == nil
		})
		if changed && !found {
			t.Fatalf("the new name is missing in %s", out)
		}
		if _, changed = again.set(desc("new"), name, "1"); changed {
			t.Fatal("the same name is set anew")
		}
	})
}

// What writers put into the annotations of an entry is not always a name.
func TestNameOfAnEntry(t *testing.T) {
	full := "registry.corp/team/app@" + desc("x").Digest.String()
	for _, c := range []struct{ name, ref, want string }{
		{"docker.io/library/a:1", "1", "docker.io/library/a:1"},
		{"a:1", "x", "docker.io/library/a:1"},
		{"", "localhost/podman:1", "localhost/podman:1"},
		{"", "alpine:3.20", "docker.io/library/alpine:3.20"},
		{"", "team/app", "docker.io/team/app:latest"},
		{"", full, full},
		{"", "latest", ""},
		{"", "3.20", ""},
		{"", "an image of mine: this", ""},
		{"ocidir://images:1", "1", ""},
		{"ocidir://images:1", "registry.corp/a:1", "registry.corp/a:1"},
		{"", "ocidir://images:1", ""},
		{"Upper/Case:1", "/", ""},
		{"", "", ""},
	} {
		e := entry{desc: v1.Descriptor{Annotations: map[string]string{AnnotationName: c.name,
			v1.AnnotationRefName: c.ref}}}
		if im := e.image(); im.Name != c.want || im.Ref != c.ref {
			t.Errorf("%q, %q: name %q, ref %q; want %q", c.name, c.ref, im.Name, im.Ref, c.want)
		}
	}
}

// Missing tells what a tool that overwrites index.json has removed, and not what somebody has replaced.
func TestMissing(t *testing.T) {
	d := newDir(t)
	entries := []Entry{{Descriptor: desc("1"), Name: "docker.io/library/a:1", Tag: "1"},
		{Descriptor: desc("2"), Subject: desc("1").Digest}, {Descriptor: desc("3"), Name: "docker.io/library/b:1"}}
	if missing, err := d.Missing(entries); err != nil || len(missing) != 3 {
		t.Errorf("before: %v, %v", missing, err)
	}
	if _, err := d.Enter(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Tag(t.Context(), desc("new"), "docker.io/library/b:1", ""); err != nil {
		t.Fatal(err)
	}
	if missing, err := d.Missing(entries); err != nil || len(missing) > 0 {
		t.Errorf("after: %v, %v", missing, err)
	}
	other := `{"manifests":[{"digest":"` + desc("x").Digest.String() + `","size":1}]}`
	if err := os.WriteFile(filepath.Join(d.Path(), "index.json"), []byte(other), 0o644); err != nil {
		t.Fatal(err)
	}
	if missing, err := d.Missing(entries); err != nil || len(missing) != 3 {
		t.Errorf("overwritten: %v, %v", missing, err)
	}
}
