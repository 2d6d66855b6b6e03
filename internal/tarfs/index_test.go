package tarfs

import (
	"archive/tar"
	"bytes"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drayage/internal/verify"
)

func names(x *Index, dir string) (all []string) {
	for name := range x.Below(dir) {
		all = append(all, name)
	}
	return all
}

// build makes a tar. A header without a type is a file, and its PAXRecords hold the content under "body".
func build(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		body := h.PAXRecords["body"]
		h.PAXRecords, h.Mode, h.Size = nil, 0o644, int64(len(body))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, body)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func file(name, body string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, PAXRecords: map[string]string{"body": body}}
}

func link(name, target string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target}
}

func index(t testing.TB, headers ...tar.Header) *Index {
	t.Helper()
	raw := build(t, headers...)
	x, err := New(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestRoot(t *testing.T) {
	x := index(t, tar.Header{Name: "./a/", Typeflag: tar.TypeDir}, file("._a", "mac"),
		file("a/b/one", "1"), file("a/b/c/two", "22"),
		link("a/b/c/up", "../one"), link("a/b/top", "/one"), link("a/b/loop", "loop"), file("a/b/one", "1"))
	if diff := cmp.Diff([]string{"", "a", "a/b"}, x.Around()); diff != "" {
		t.Errorf("directories around everything (-want +got):\n%s", diff)
	}
	x.SetRoot("a/b")
	all := []string{"one", "c/two", "c/up", "top", "loop"}
	if diff := cmp.Diff(all, names(x, "")); diff != "" {
		t.Errorf("names below the root (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"two", "up"}, names(x, "c")); diff != "" {
		t.Errorf("names below c (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{"one": "1", "./c/../one": "1", "c/up": "1", "c/two": "22",
		"top": "1"} {
		if got, err := x.Read(name, 2); string(got) != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"loop", "c", "a/b/one", "two"} {
		if got, err := x.Read(name, 2); !errors.Is(err, verify.ErrMismatch) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := x.Read("c/two", 1); !errors.Is(err, verify.ErrMismatch) {
		t.Errorf("two bytes where one is accepted: %v", err)
	}
	if diff := cmp.Diff([]string{"c/up", "one"}, slices.Collect(x.Trail("c/up"))); diff != "" {
		t.Errorf("where a link leads (-want +got):\n%s", diff)
	}
}

func TestFS(t *testing.T) {
	x := Overlay(index(t, file("a/one", "1"), link("two", "a/one")), map[string][]byte{"three": []byte("333")})
	for name, want := range map[string]string{"a/one": "1", "two": "1", "three": "333"} {
		got, err := fs.ReadFile(x, name)
		if string(got) != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
		fi, err := fs.Stat(x, name)
		if err != nil || fi.Size() != int64(len(want)) || fi.Name() != filepath.Base(name) {
			t.Errorf("%s: %v, %v", name, fi, err)
		}
	}
	for name, want := range map[string]error{"none": fs.ErrNotExist, "/a/one": fs.ErrInvalid} {
		if _, err := x.Open(name); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

// FuzzIndex: a file and a stream have the same entries, and what can be found can be read.
func FuzzIndex(f *testing.F) {
	addCorpus(f)
	hard := tar.Header{Name: "c", Typeflag: tar.TypeLink, Linkname: "b"}
	f.Add(build(f, file("a", "1"), file("./a", "1"), link("b", "a"), hard))
	f.Add(build(f, file("a", "1"), file("a", "2"), link("b", "b")))
	f.Add(build(f))
	records := map[string]string{"GNU.sparse.map": "0,4,3000,2", "GNU.sparse.numblocks": "2",
		"GNU.sparse.size": "5000"}
	f.Add(pax(f, records, "layer!"))
	records = map[string]string{"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
		"GNU.sparse.realsize": "900", "GNU.sparse.name": "a"}
	f.Add(pax(f, records, "1\n4\n5\n"+strings.Repeat("\x00", 506)+"layer"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		x, err := New(bytes.NewReader(raw), int64(len(raw)))
		scanned, scanErr := Scan(t.Context(), bytes.NewReader(raw))
		if (err == nil) != (scanErr == nil) {
			t.Fatalf("in place %v, from a stream %v", err, scanErr)
		}
		if err != nil {
			return
		}
		if !slices.Equal(names(x, ""), names(scanned, "")) {
			t.Fatal("a stream has other names")
		}
		for name := range x.Below("") {
			found, err := x.Find(name)
			if err != nil {
				continue
			}
			const most = 1 << 20 // a sparse file may claim to have more than anybody would read
			n, err := io.Copy(io.Discard, io.LimitReader(found.Open(), most))
			e := found.Entry()
			if e.Sparse && errors.Is(err, verify.ErrMismatch) {
				continue
			}
			if err != nil || n != min(e.Size, most) {
				t.Fatalf("%q: %d of %d bytes, %v", name, n, e.Size, err)
			}
		}
	})
}

// addCorpus seeds a fuzz target with archives that real tools wrote. While it is really fuzzed it has small
// seeds only, because the fuzzer tries to make every large one smaller.
func addCorpus(f *testing.F) {
	f.Helper()
	if fuzzing := flag.Lookup("test.fuzz"); fuzzing != nil && fuzzing.Value.String() != "" {
		return
	}
	names, err := filepath.Glob("../../testdata/archives/*.tar")
	if err != nil || len(names) == 0 {
		f.Fatalf("no archives: %v", err)
	}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
}
