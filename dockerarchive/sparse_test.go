package dockerarchive_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/dockerarchive"
)

// holes writes a file of holes and data by turns, as a disk image in a layer may look, and returns what it
// reads as.
func holes(t *testing.T, path string, parts int) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range parts {
		if _, err := f.WriteAt(bytes.Repeat([]byte{byte(i + 1)}, 5000), int64(i*200_000+70_000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(int64(parts * 200_000)); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// sparse is an archive that GNU tar makes of layers with holes: among them one with more parts than a header
// of old has room for, one after another, and one that is a hole and nothing else.
func sparse(t *testing.T, args ...string) (raw []byte, layers []string) {
	t.Helper()
	gnutar(t)
	dir := t.TempDir()
	var ids []digest.Digest
	var names []string
	for i, parts := range []int{40, 2, 1, 0} {
		name := fmt.Sprint("layer", i)
		layer := holes(t, filepath.Join(dir, name), parts)
		if parts == 0 {
			if err := os.Truncate(filepath.Join(dir, name), 3<<20); err != nil {
				t.Fatal(err)
			}
			layer = strings.Repeat("\x00", 3<<20)
		}
		layers, ids, names = append(layers, layer), append(ids, digest.FromString(layer)), append(names, name)
	}
	for name, body := range map[string]string{"manifest.json": index(item("c", nil, names...)).Body, "c": configOf(ids...)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw = runTar(t, append(args, "-S", "-C", dir, "c", "layer0", "layer1", "layer2", "manifest.json", "layer3")...)
	if len(raw) > 1<<20 {
		t.Skip("the file system keeps no holes")
	}
	return raw, layers
}

var sparseFormats = [][]string{
	{"--format=oldgnu"}, {"--format=gnu"}, {"--format=posix", "--sparse-version=0.0"},
	{"--format=posix", "--sparse-version=0.1"}, {"--format=posix", "--sparse-version=1.0"},
}

func TestSparse(t *testing.T) {
	for _, args := range sparseFormats {
		raw, want := sparse(t, args...)
		got, err := images(raw)
		if err != nil {
			t.Errorf("%q: %v", args, err)
			continue
		}
		for i, l := range got[0].Layers {
			if c := content(t, l); c != want[i] || l.Size() != int64(len(want[i])) {
				t.Errorf("%q: layer %d has %d bytes that are not those of the file, %d", args, i+1, len(c), len(want[i]))
			}
			anywhere(t, l.Open(), want[i])
		}
		im, err := got[0].Image(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		again, err := images(written(t, dockerarchive.Docker, dockerarchive.Options{}, im))
		if err != nil || again[0].ID != got[0].ID || content(t, again[0].Layers[0]) != want[0] {
			t.Errorf("%q, written again: %v, %v", args, again, err)
		}
		if got, err := images(append(raw[:len(raw):len(raw)], raw...)); err == nil {
			t.Errorf("%q: something behind the end: %v", args, got)
		}
	}
}

// anywhere reads at places in no order.
func anywhere(t *testing.T, r *io.SectionReader, want string) {
	t.Helper()
	random := rand.New(rand.NewChaCha8([32]byte{}))
	buf := make([]byte, 3000)
	for range 30 {
		at := random.IntN(len(want))
		n, err := r.ReadAt(buf, int64(at))
		if rest := want[at:min(at+len(buf), len(want))]; string(buf[:n]) != rest || (err == io.EOF) != (len(rest) < len(buf)) || err != nil && err != io.EOF {
			t.Fatalf("at %d: %d bytes, %v", at, n, err)
		}
	}
	if n, err := r.ReadAt(buf, int64(len(want))); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d bytes, %v", n, err)
	}
}

// TestSparseTwice has the same layer twice, stored in two ways, which is no contradiction as long as the
// content is the same.
func TestSparseTwice(t *testing.T) {
	for _, args := range sparseFormats {
		raw, _ := sparse(t, args...)
		both := append(bytes.TrimRight(raw, "\x00"), make([]byte, 512)...)
		both = append(both[:len(both)/512*512], raw...)
		if got, err := images(both); err != nil || len(got[0].Layers) != 4 {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// TestSparseCut cuts archives everywhere.
func TestSparseCut(t *testing.T) {
	for _, args := range sparseFormats {
		raw, _ := sparse(t, args...)
		for cut := 0; cut < len(raw)-20*512; cut += 512 + cut%7 {
			if got, err := images(raw[:cut]); err == nil {
				t.Errorf("%q, cut at %d of %d: accepted: %+v", args, cut, len(raw), got)
			}
		}
	}
}

func TestSparseHoldsLittle(t *testing.T) {
	huge := func(size string) map[string]string {
		return map[string]string{"GNU.sparse.map": "0,1", "GNU.sparse.numblocks": "1", "GNU.sparse.size": size}
	}
	got, err := images(pax(t, huge("60000000000"), "x"))
	if err != nil {
		t.Fatal(err)
	}
	r, buf := got[0].Layers[0].Open(), make([]byte, 10)
	if _, err := r.ReadAt(buf, 100<<20); err != nil || r.Size() != 60_000_000_000 {
		t.Errorf("a layer of %d bytes: %v", r.Size(), err)
	}
	for _, size := range []string{"100000000000", "9223372036854775807"} {
		if _, err := images(pax(t, huge(size), "x")); err == nil || !strings.Contains(err.Error(), "sparse") || errors.Is(err, dockerarchive.ErrNotImage) {
			t.Errorf("%s bytes: %v", size, err)
		}
	}
}
