package tarfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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

// sparse is a tar that GNU tar makes of files with holes. The first has more parts than an old header has
// room for, the last is a hole and nothing else. The files are called layer0 and so on.
func sparse(t *testing.T, args ...string) (raw []byte, files []string) {
	t.Helper()
	gnutar(t)
	dir := t.TempDir()
	args = append(args, "-S", "-C", dir)
	for i, parts := range []int{40, 2, 1, 0} {
		name := fmt.Sprint("layer", i)
		content := holes(t, filepath.Join(dir, name), parts)
		if parts == 0 {
			if err := os.Truncate(filepath.Join(dir, name), 3<<20); err != nil {
				t.Fatal(err)
			}
			content = strings.Repeat("\x00", 3<<20)
		}
		files, args = append(files, content), append(args, name)
	}
	raw = runTar(t, args...)
	if len(raw) > 1<<20 {
		t.Skip("the file system keeps no holes")
	}
	return raw, files
}

var sparseFormats = [][]string{
	{"--format=oldgnu"}, {"--format=gnu"}, {"--format=posix", "--sparse-version=0.0"},
	{"--format=posix", "--sparse-version=0.1"}, {"--format=posix", "--sparse-version=1.0"},
}

// readSparse opens all files of such a tar and reads them.
func readSparse(raw []byte) (files []*File, contents []string, err error) {
	x, err := openTar(raw)
	for i := 0; i < 4 && err == nil; i++ {
		var f *File
		var content []byte
		if f, err = x.Find(fmt.Sprint("layer", i)); err == nil {
			content, err = io.ReadAll(f.Open())
		}
		files, contents = append(files, f), append(contents, string(content))
	}
	return files, contents, err
}

func TestSparse(t *testing.T) {
	for _, args := range sparseFormats {
		raw, want := sparse(t, args...)
		files, got, err := readSparse(raw)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: other content, %v", args, err)
			continue
		}
		for i, f := range files {
			anywhere(t, f.Open(), want[i])
		}
		if _, err := openTar(append(raw[:len(raw):len(raw)], raw...)); err == nil {
			t.Errorf("%q: something behind the end is accepted", args)
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
		if rest := want[at:min(at+len(buf), len(want))]; string(buf[:n]) != rest ||
			(err == io.EOF) != (len(rest) < len(buf)) || err != nil && err != io.EOF {
			t.Fatalf("at %d: %d bytes, %v", at, n, err)
		}
	}
	if n, err := r.ReadAt(buf, int64(len(want))); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d bytes, %v", n, err)
	}
}

// TestSparseTwice has the same files twice, which is no contradiction as long as the content is the same.
func TestSparseTwice(t *testing.T) {
	for _, args := range sparseFormats {
		raw, want := sparse(t, args...)
		both := append(bytes.TrimRight(raw, "\x00"), make([]byte, 512)...)
		both = append(both[:len(both)/512*512], raw...)
		if _, got, err := readSparse(both); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// TestSparseCut cuts archives everywhere.
func TestSparseCut(t *testing.T) {
	for _, args := range sparseFormats {
		raw, _ := sparse(t, args...)
		for cut := 0; cut < len(raw)-20*512; cut += 512 + cut%7 {
			if _, _, err := readSparse(raw[:cut]); err == nil {
				t.Errorf("%q, cut at %d of %d: accepted", args, cut, len(raw))
			}
		}
	}
}

func TestSparseHoldsLittle(t *testing.T) {
	huge := func(size string) map[string]string {
		return map[string]string{"GNU.sparse.map": "0,1", "GNU.sparse.numblocks": "1", "GNU.sparse.size": size}
	}
	x, err := openTar(pax(t, huge("60000000000"), "x"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := x.Find("a")
	if err != nil {
		t.Fatal(err)
	}
	r, buf := f.Open(), make([]byte, 10)
	if _, err := r.ReadAt(buf, 100<<20); err != nil || r.Size() != 60_000_000_000 {
		t.Errorf("a file of %d bytes: %v", r.Size(), err)
	}
	for _, size := range []string{"100000000000", "9223372036854775807"} {
		_, err := openTar(pax(t, huge(size), "x"))
		if err == nil || !strings.Contains(err.Error(), "sparse") || errors.Is(err, ErrNotTar) {
			t.Errorf("%s bytes: %v", size, err)
		}
	}
}
