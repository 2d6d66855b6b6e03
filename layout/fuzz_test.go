package layout_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/layout"
)

// sound is a layout of two images and a signature, as files.
func sound(t testing.TB) (files map[string][]byte, images []v1.Descriptor) {
	t.Helper()
	dir, images, index := damaged(t)
	files = map[string][]byte{"index.json": index}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(rel)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, images
}

// FuzzRepair checks that whatever has become of index.json, the layout can be opened afterwards, and every
// image is in it.
func FuzzRepair(f *testing.F) {
	files, images := sound(f)
	index := files["index.json"]
	for _, raw := range [][]byte{index, index[:len(index)/2], index[:len(index)-1], nil, []byte("null"),
		[]byte(`{"manifests":[null,{}]}`), []byte(`{"manifests":{}}`),
		[]byte(`{"a":"\"manifests\"","manifests":[`), bytes.Replace(index, []byte("sha256:"), []byte("sha256:../"),
			1),
		bytes.Replace(index, []byte(`"size":`), []byte(`"size":1,"Size":`),
			1), []byte(`{"manifests":[],"manifests":[]}`), append(bytes.Clone(index), '}')} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := t.TempDir()
		for name, content := range files {
			if name == "index.json" {
				content = raw
			}
			write(t, filepath.Join(dir, filepath.FromSlash(name)), string(content))
		}
		r, err := layout.Repair(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Removed) > 0 || r.Marker {
			t.Fatalf("%+v", r)
		}
		found := map[digest.Digest]bool{}
		for _, im := range listed(t, dir) {
			found[im.Descriptor.Digest] = true
		}
		for _, d := range images {
			if r.Index && !found[d.Digest] {
				t.Fatalf("%s is lost: %+v", d.Digest, r)
			}
		}
		kept, err := os.ReadFile(filepath.Join(dir, "index.json"))
		if !r.Index && r.Entries == 0 && (err != nil || !bytes.Equal(kept, raw)) {
			t.Fatalf("an index that can be read became %q, %v", kept, err)
		}
		if again, err := layout.Repair(t.Context(), dir); err != nil || again.Index {
			t.Fatalf("repaired, and still damaged: %+v, %v", again, err)
		}
	})
}

// FuzzLayout changes one file of a layout, and checks that no blob that is read to its end is anything but
// what its digest says.
func FuzzLayout(f *testing.F) {
	files, _ := sound(f)
	var names []string
	for name := range files {
		names = append(names, name)
	}
	for _, name := range names {
		f.Add(name, 0, "x", 1<<20)
		f.Add(name, 20, `"sha256:../../../etc/passwd"`, 1<<20)
		f.Add(name, 5, "", 10)
	}
	f.Add("index.json", 60, `[{"digest":"sha256:`+strings.Repeat("0", 64)+`","size":9223372036854775807}]`, 100)
	f.Fuzz(func(t *testing.T, name string, offset int, put string, end int) {
		fsys := fstest.MapFS{}
		for name, content := range files {
			fsys[name] = &fstest.MapFile{Data: content}
		}
		content := files[name]
		if offset < 0 || offset > len(content) || end < 0 {
			return
		}
		changed := append([]byte(string(content[:offset])+put), content[min(len(content), offset+len(put)):]...)
		if name == "" || name == "." || !strings.Contains(strings.Join(names, "\n"), name) {
			return
		}
		fsys[name] = &fstest.MapFile{Data: changed[:min(end, len(changed))]}
		l, err := layout.New(fsys)
		if err != nil {
			return
		}
		images, err := l.Images()
		if err != nil {
			return
		}
		for _, im := range images {
			g, err := image.Load(t.Context(), l, im.Descriptor, image.Selection{All: true})
			if err != nil {
				continue
			}
			for _, n := range g.Manifests {
				if digest.FromBytes(n.Raw) != n.Descriptor.Digest {
					t.Fatalf("%s holds %q", n.Descriptor.Digest, n.Raw)
				}
			}
			for _, b := range g.Blobs {
				r := image.NewReader(t.Context(), l, b)
				raw, err := io.ReadAll(io.LimitReader(r, 1<<20))
				r.Close()
				if err == nil && len(raw) < 1<<20 && b.Digest.Algorithm().FromBytes(raw) != b.Digest {
					t.Fatalf("%s holds %q", b.Digest, raw)
				}
			}
		}
	})
}

// FuzzPartial checks that whatever an earlier run has left of a small blob, the blob becomes right and
// nothing else stays.
func FuzzPartial(f *testing.F) {
	const content = "the content of a blob, which is longer than its mark"
	f.Add([]byte(content[:10]), []byte("\x0a\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte(content), []byte("\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Add([]byte(content+content), []byte("drayage marks 1\n\x01"))
	f.Add([]byte("something else"), []byte{})
	f.Add([]byte{}, []byte("x"))
	f.Fuzz(func(t *testing.T, left, mark []byte) { finishes(t, []byte(content), left, mark) })
}

// FuzzMark is FuzzPartial of a large blob. The first so many bytes of it are there, and something else
// from some place on.
func FuzzMark(f *testing.F) {
	content := bytes.Repeat([]byte("0123456789abcde\n"), 9<<16)
	f.Add(len(content), len(content), []byte("drayage marks 1\n\x01\x01\x00\x01"))
	f.Add(3<<20, 100, []byte("drayage marks 1\n"+strings.Repeat("\x01", 200)))
	f.Add(3<<20, 3<<20, []byte("drayage marks 1\n\x00\x00\x01\x02\xff"))
	f.Add(5<<20, 5<<20, []byte("\x00\x00\x40\x00\x00\x00\x00\x00"))
	f.Add(5<<20, 4<<20, []byte("drayage"))
	f.Add(10<<20, 10<<20, []byte{})
	f.Fuzz(func(t *testing.T, size, wrong int, mark []byte) {
		if size < 0 || size > 10<<20 || wrong < 0 {
			return
		}
		left := make([]byte, size)
		copy(left, content)
		clear(left[min(wrong, size):])
		finishes(t, content, left, mark)
	})
}

// finishes checks that a blob becomes right, from what is there and its mark, and that nothing else stays.
func finishes(t *testing.T, content, left, mark []byte) {
	t.Helper()
	d := image.Describe("", content)
	dir := t.TempDir()
	l := create(t, dir)
	name := filepath.Join(dir, ".drayage", "partial", "sha256-"+d.Digest.Encoded())
	write(t, name, string(left))
	if len(mark) > 0 {
		write(t, name+".mark", string(mark))
	}
	if err := l.Push(t.Context(), d, &parallelSource{content: content}, nil); err != nil {
		t.Fatal(err)
	}
	same(t, "files", map[string]string{"index.json": empty, "oci-layout": marker,
		"blobs/sha256/" + d.Digest.Encoded(): string(content)}, tree(t, dir))
}
