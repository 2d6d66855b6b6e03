package layout_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/layout"
)

// damaged is a layout of two images and a signature, whose index.json is then given over.
func damaged(t testing.TB) (dir string, images []v1.Descriptor, index []byte) {
	t.Helper()
	dir = t.TempDir()
	put := func(raw []byte) v1.Descriptor {
		d := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromBytes(raw),
			Size: int64(len(raw))}
		path := filepath.Join(dir, "blobs", "sha256", d.Digest.Encoded())
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		return d
	}
	var entries []v1.Descriptor
	for _, name := range []string{"docker.io/library/a:1", "docker.io/library/b:1"} {
		config := put([]byte(`{"author":"` + name + `"}`))
		config.MediaType = v1.MediaTypeImageConfig
		m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: config, Layers: []v1.Descriptor{}}
		m.SchemaVersion = 2
		raw, _ := json.Marshal(m)
		d := put(raw)
		images = append(images, d)
		d.Annotations = map[string]string{layout.AnnotationName: name}
		entries = append(entries, d)
	}
	signed := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: put([]byte("{}")),
		Layers: []v1.Descriptor{}, Subject: &images[0]}
	signed.SchemaVersion = 2
	raw, _ := json.Marshal(signed)
	images = append(images, put(raw))
	ix := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: entries}
	ix.SchemaVersion = 2
	index, _ = json.Marshal(ix)
	if err := os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`),
		0o644); err != nil {
		t.Fatal(err)
	}
	return dir, images, index
}

// Wherever index.json was cut off, what stands before the cut keeps its names, and no image is lost.
func TestRepairCutIndex(t *testing.T) {
	_, _, index := damaged(t)
	for cut := 0; cut < len(index); cut += 13 {
		dir, images, _ := damaged(t)
		if err := os.WriteFile(filepath.Join(dir, "index.json"), index[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := layout.Repair(t.Context(), dir)
		if err != nil || !r.Index || r.Kept != "index.json.damaged-1" {
			t.Fatalf("cut at %d: %+v, %v", cut, r, err)
		}
		found := map[digest.Digest]layout.Image{}
		for _, im := range listed(t, dir) {
			found[im.Descriptor.Digest] = im
		}
		if len(found) != 3 || r.Saved+r.Nameless != 3 {
			t.Fatalf("cut at %d: %d images, %+v", cut, len(found), r)
		}
		if im := found[images[2].Digest]; im.Subject != images[0].Digest {
			t.Errorf("cut at %d: the signature belongs to %q", cut, im.Subject)
		}
		if name := found[images[0].Digest].Name; name != "docker.io/library/a:1" && r.Saved > 0 {
			t.Errorf("cut at %d: %d entries could be read, and the first has the name %q", cut, r.Saved, name)
		}
		if kept, err := os.ReadFile(filepath.Join(dir, r.Kept)); err != nil || !bytes.Equal(kept, index[:cut]) {
			t.Errorf("cut at %d: the old index is %q, %v", cut, kept, err)
		}
	}
}

func listed(t *testing.T, dir string) []layout.Image {
	t.Helper()
	d, err := layout.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	all, err := d.Images()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRepairOther(t *testing.T) {
	dir, images, index := damaged(t)
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("index.json", index)
	if r, err := layout.Repair(t.Context(), dir); err != nil || r.Index || r.Marker || len(r.Removed) > 0 {
		t.Errorf("a layout in order: %+v, %v", r, err)
	}
	if raw, err := os.ReadFile(filepath.Join(dir, "index.json")); err != nil || !bytes.Equal(raw, index) {
		t.Errorf("an index in order was changed: %q, %v", raw, err)
	}
	bad := filepath.Join("blobs", "sha256", images[1].Digest.Encoded())
	write(bad, []byte("something else"))
	write("oci-layout", nil)
	if r, err := layout.Repair(t.Context(), dir); err != nil || r.Index || !r.Marker || len(r.Removed) != 1 ||
		r.Removed[0] != images[1].Digest {
		t.Errorf("a bad blob and no marker: %+v, %v", r, err)
	}
	if _, err := os.Stat(filepath.Join(dir, bad)); err == nil {
		t.Error("the bad blob is still there")
	}
	for _, twice := range []string{"index.json.damaged-1", "index.json.damaged-2"} {
		write("index.json", []byte(`{"manifests":[{"digest":"sha256:../../`+twice+`","size":1}]}`))
		if r, err := layout.Repair(t.Context(), dir); err != nil || r.Kept != twice {
			t.Errorf("an entry that is none: %+v, %v", r, err)
		}
	}
	write("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0","imageLayoutVersion":"2.0.0"}`))
	if r, err := layout.Repair(t.Context(), dir); err != nil || !r.Marker {
		t.Errorf("two versions: %+v, %v", r, err)
	}
	write("index.json", bytes.Replace(index, []byte(`"size":`), []byte(`"size":1,"size":`), 1))
	if r, err := layout.Repair(t.Context(), dir); err != nil || !r.Index || r.Saved != 1 {
		t.Errorf("an entry with two sizes: %+v, %v", r, err)
	}
	write("index.json", bytes.ReplaceAll(index, []byte(`"size":`), []byte(`"sizes":`)))
	if d, err := layout.OpenDir(dir); err != nil {
		t.Error(err)
	} else if _, err := d.Images(); err == nil || !strings.Contains(err.Error(), "has no size") {
		t.Errorf("a blob that is not there and has no size: %v", err)
	}
	if r, err := layout.Repair(t.Context(), dir); err != nil || r.Index || r.Entries == 0 {
		t.Errorf("entries without a size: %+v, %v", r, err)
	}
	if d, err := layout.OpenDir(dir); err != nil {
		t.Error(err)
	} else if now, err := d.Images(); err != nil || len(now) != 2 {
		t.Errorf("after that: %v, %v", now, err)
	}
	write("oci-layout", []byte(`{"imageLayoutVersion":"2.0.0"}`))
	if r, err := layout.Repair(t.Context(), dir); err != nil || r.Marker {
		t.Errorf("a version that is not known: %+v, %v", r, err)
	}
	if _, err := layout.Repair(t.Context(), t.TempDir()); err == nil {
		t.Error("an empty directory was repaired")
	}
}

func TestDamageIsNamed(t *testing.T) {
	dir, _, index := damaged(t)
	if _, err := layout.CreateDir(t.Context(), dir); !errors.Is(err, layout.ErrDamaged) {
		t.Errorf("without an index: %v", err)
	}
	for _, raw := range [][]byte{nil, []byte("null"), []byte("[]"), index[:len(index)/2],
		[]byte(`{"manifests":[],"manifests":[]}`), []byte(`{"manifests":[],"Manifests":[]}`)} {
		if err := os.WriteFile(filepath.Join(dir, "index.json"), raw, 0o644); err != nil {
			t.Fatal(err)
		}
		d, err := layout.OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Images(); !errors.Is(err, layout.ErrDamaged) {
			t.Errorf("%q: %v", raw, err)
		}
		d.Close()
	}
}

// Wild case 39: repair does not read terabytes of a hole where the size tells that a blob is wrong, nor what
// nothing refers to.
func TestWild39RepairLooksAtSizesFirst(t *testing.T) {
	layer := bytes.Repeat([]byte("layer"), 1<<20)
	id := digest.FromBytes(layer)
	for name, c := range map[string]struct {
		size           int64 // of the file
		refer, removed bool
	}{
		"right":                     {int64(len(layer)), true, false},
		"too long":                  {15 << 40, true, true},
		"cut, and still large":      {int64(len(layer)) - 1, true, true},
		"nothing refers to it":      {15 << 40, false, false},
		"a manifest that is a hole": {15 << 40, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir, images, index := damaged(t)
			put := func(id digest.Digest, raw []byte, size int64) {
				path := filepath.Join(dir, "blobs", "sha256", id.Encoded())
				if err := os.WriteFile(path, raw, 0o644); err != nil {
					t.Fatal(err)
				}
				if err := os.Truncate(path, size); err != nil {
					t.Skip(err) // not every file system has holes
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "index.json"), index, 0o644); err != nil {
				t.Fatal(err)
			}
			wrong := id
			if name == "a manifest that is a hole" {
				wrong = images[0].Digest
				put(wrong, nil, c.size)
			} else {
				put(id, layer, c.size)
			}
			if c.refer {
				m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: images[0], Layers: []v1.Descriptor{
					{MediaType: v1.MediaTypeImageLayer, Digest: id, Size: int64(len(layer))}}}
				m.SchemaVersion = 2
				raw, _ := json.Marshal(m)
				put(digest.FromBytes(raw), raw, int64(len(raw)))
			}
			r, err := layout.Repair(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			if c.removed != slices.Equal(r.Removed, []digest.Digest{wrong}) || !c.removed && r.Removed != nil {
				t.Errorf("removed %v", r.Removed)
			}
		})
	}
}

// A wrong blob that nobody can remove stays, and all else is repaired.
func TestRepairAroundWhatStays(t *testing.T) {
	dir, images, index := damaged(t)
	blob := func(d v1.Descriptor) string { return filepath.Join(dir, "blobs", "sha256", d.Digest.Encoded()) }
	for i, d := range images[:2] {
		if err := os.WriteFile(blob(d), []byte{'{', byte(i)}, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := exec.Command("chattr", "+i", blob(images[0])).Run(); err != nil {
		t.Skip("files cannot be made immutable here:", err)
	}
	defer exec.Command("chattr", "-i", blob(images[0])).Run()
	for _, raw := range [][]byte{index, index[:len(index)-9], nil} {
		if err := os.WriteFile(filepath.Join(dir, "index.json"), raw, 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := layout.Repair(t.Context(), dir)
		if err == nil || !strings.Contains(err.Error(), images[0].Digest.Encoded()) || r == nil {
			t.Fatalf("%+v, %v", r, err)
		}
		if _, err := os.Stat(blob(images[1])); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the other one: %v", err)
		}
		if l, err := layout.OpenDir(dir); err != nil {
			t.Error(err)
		} else if _, err := l.Images(); err != nil || l.Close() != nil {
			t.Error(err)
		}
	}
}
