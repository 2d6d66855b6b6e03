package repair

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"drayage/internal/parity"
	"drayage/internal/volume"
)

const block = 1 << 20

// world is a set with its volumes in a directory.
type world struct {
	*testing.T
	dir   string
	set   *volume.Set
	files map[string]string // name to content, as it should be
}

// newWorld makes n volumes of so many blocks, the last one shorter, and k parity volumes.
func newWorld(t *testing.T, n, blocks, k int) *world {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(n), uint64(blocks)))
	size := int64(blocks) * block
	archive := make([]byte, int64(n-1)*size+1+rng.Int64N(size))
	for i := range archive {
		archive[i] = byte(rng.Uint32())
	}
	w := &world{T: t, dir: t.TempDir(), files: map[string]string{}, set: &volume.Set{Name: "x.tar",
		Size: int64(len(archive)), SHA256: digest.FromBytes(archive), Block: block, Volume: size}}
	var data []io.ReaderAt
	for rest := archive; len(rest) > 0; {
		v := rest[:min(size, int64(len(rest)))]
		rest = rest[len(v):]
		w.set.Volumes = append(w.set.Volumes, volume.Volume{Size: int64(len(v)), SHA256: digest.FromBytes(v)})
		name := w.path(len(data))
		data = append(data, w.create(name, v))
		for ; len(v) > 0; v = v[min(block, len(v)):] {
			sum := sha256.Sum256(v[:min(block, len(v))])
			w.set.Blocks = append(w.set.Blocks, sum[:]...)
		}
	}
	var out []io.WriterAt
	for i := range k {
		out = append(out, w.create(filepath.Join(w.dir, w.set.Name+fmt.Sprintf(".p%02d", i+1)), nil))
	}
	if k > 0 {
		if err := parity.Encode(t.Context(), w.set, data, out, nil); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := w.set.Encode()
	if err != nil {
		t.Fatal(err)
	}
	w.write("x.tar.set", string(raw))
	w.files = w.tree()
	return w
}

func (w *world) create(path string, content []byte) *os.File {
	if err := os.WriteFile(path, content, 0o644); err != nil {
		w.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { f.Close() })
	return f
}

func (w *world) tree() map[string]string { return tree(w.T, w.dir) }

func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			all[e.Name()] = e.Type().String()
			continue
		}
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(raw)
	}
	return all
}

// restore makes the directory what it was.
func (w *world) restore() {
	w.Helper()
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(w.dir, e.Name())); err != nil {
			w.Fatal(err)
		}
	}
	for name, content := range w.files {
		w.write(name, content)
	}
}

func (w *world) write(name, content string) {
	w.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o644); err != nil {
		w.Fatal(err)
	}
}

func (w *world) path(i int) string { return filepath.Join(w.dir, w.set.FileName(i)) }

func (w *world) remove(i int) {
	w.Helper()
	if err := os.Remove(w.path(i)); err != nil {
		w.Fatal(err)
	}
}

func (w *world) move(from, to string) {
	w.Helper()
	if err := os.Rename(filepath.Join(w.dir, from), filepath.Join(w.dir, to)); err != nil {
		w.Fatal(err)
	}
}

// hurt changes a byte of a block.
func (w *world) hurt(i, b int) {
	w.Helper()
	f, err := os.OpenFile(w.path(i), os.O_RDWR, 0)
	if err != nil {
		w.Fatal(err)
	}
	defer f.Close()
	p := make([]byte, 1)
	off, size, _ := w.set.BlockAt(i, b)
	if _, err := f.ReadAt(p, off+size/2); err != nil {
		w.Fatal(err)
	}
	p[0] ^= 1
	if _, err := f.WriteAt(p, off+size/2); err != nil {
		w.Fatal(err)
	}
}

// look finds the volumes, and checks them.
func (w *world) look(dirs ...string) []Found {
	w.Helper()
	files, err := volume.Find(w.Context(), w.set, append([]string{w.dir}, dirs...))
	if err != nil {
		w.Fatal(err)
	}
	defer files.Close()
	h, err := files.Check(w.Context(), nil)
	if err != nil {
		w.Fatal(err)
	}
	return FoundBy(h)
}

// repair does it, and returns its error.
func (w *world) repair(o Options) (*Repair, error) {
	w.Helper()
	o.Dir = w.dir
	if raw, err := os.ReadFile(filepath.Join(w.dir, "x.tar.set")); err == nil && o.Raw == nil {
		o.Raw = raw
	}
	var more []string
	if o.Out != "" {
		more = append(more, o.Out)
	}
	r, err := New(w.set, w.look(more...), o)
	if err != nil {
		w.Fatal(err)
	}
	return r, r.Run(w.Context(), filepath.Join(w.dir, "x.tar.set"), nil)
}

// wantWhole fails if the directory is not what it was, but for more files.
func (w *world) wantWhole(more map[string]string) {
	w.Helper()
	want := map[string]string{}
	for name, content := range w.files {
		want[name] = content
	}
	for name, content := range more {
		want[name] = content
	}
	w.same(w.tree(), want)
}

func (w *world) same(got, want map[string]string) {
	w.Helper()
	if diff := cmp.Diff(sums(want), sums(got)); diff != "" {
		w.Errorf("files (-want +got):\n%s", diff)
	}
}

// sums are the hashes of files, which are short enough to be shown.
func sums(files map[string]string) map[string]string {
	all := map[string]string{}
	for name, content := range files {
		all[name] = digest.FromString(content).Encoded()[:12]
	}
	return all
}
