package dockerarchive_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/durable"
)

var errWornOut = errors.New("worn out")

// wearing gives out so many bytes and then only errors.
type wearing struct {
	next image.Source

	mu   sync.Mutex
	left int64
	read int64
}

func (w *wearing) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	rc, err := w.next.Open(ctx, d, offset, length)
	if err != nil {
		return nil, err
	}
	return &wearingStream{rc, w}, nil
}

type wearingStream struct {
	io.ReadCloser
	w *wearing
}

func (s *wearingStream) Read(p []byte) (int, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.w.left <= 0 {
		return 0, errWornOut
	}
	n, err := s.ReadCloser.Read(p[:min(int64(len(p)), s.w.left, 64<<10)])
	s.w.left, s.w.read = s.w.left-int64(n), s.w.read+int64(n)
	return n, err
}

// worn is the image with a source that gives out only so much.
func worn(im *image.Image, budget int64) (*image.Image, *wearing) {
	w := &wearing{next: im.Source, left: budget}
	again := *im
	again.Source = im.Graph.Source(w)
	return &again, w
}

// resume writes the archive to path and reports whether it became whole.
func resume(t *testing.T, path string, im *image.Image) error {
	t.Helper()
	f, err := durable.ResumeOutput(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Abort()
	if err := dockerarchive.Write(t.Context(), f, dockerarchive.OCI, []*image.Image{im},
		dockerarchive.Options{}); err != nil {
		f.Keep()
		return err
	}
	return f.Commit()
}

func resumed(t *testing.T) (*image.Image, []byte, int64) {
	s := newStore(t)
	root := s.image("one", nil, s.layer(tarball(1, 9_000_000), plain), s.layer(tarball(2, 3_000_000), plain),
		s.layer(tarball(3, 1000), zipped)).Root
	im := s.open(root, "docker.io/library/a:1")
	total := int64(0)
	for _, b := range im.Blobs {
		total += b.Size
	}
	return im, written(t, dockerarchive.OCI, dockerarchive.Options{}, im), total
}

// However often it is broken off, the archive becomes the same, and little is read again.
func TestWriteOCIResumes(t *testing.T) {
	im, want, total := resumed(t)
	path := filepath.Join(t.TempDir(), "a.tar")
	read, runs := int64(0), int64(0)
	for ; ; runs++ {
		if runs > 20 {
			t.Fatal("it never becomes whole")
		}
		again, source := worn(im, 2_500_000)
		err := resume(t, path, again)
		read += source.read
		if err == nil {
			break
		}
		if !errors.Is(err, errWornOut) {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Fatal("it has its name before it is whole")
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d: %v", len(got), len(want), err)
	}
	if most := total + runs*2<<20; read > most || runs < 3 {
		t.Errorf("%d bytes were read in %d runs, want at most %d", read, runs, most)
	}
	checkAlone(t, path)
}

func checkAlone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// A thin archive resumes too. What is kept of it is worth nothing to another one: the delta document differs.
func TestWriteThinResumes(t *testing.T) {
	im, _, _ := resumed(t)
	leaveOut(func(d v1.Descriptor) bool { return d.Size < 2000 }, im)
	want := written(t, dockerarchive.OCI, dockerarchive.Options{}, im)
	path := filepath.Join(t.TempDir(), "a.tar")
	first, source := worn(im, 4_000_000)
	if err := resume(t, path, first); !errors.Is(err, errWornOut) {
		t.Fatal(err)
	}
	again, rest := worn(im, 20_000_000)
	err := resume(t, path, again)
	if got, rerr := os.ReadFile(path); err != nil || rerr != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d: %v, %v", len(got), len(want), err, rerr)
	}
	if most := 12_000_000 - source.read + 4<<20; rest.read > most {
		t.Errorf("%d bytes were read again, want at most %d", rest.read, most)
	}
	checkAlone(t, path)
}

// What was kept is not trusted: neither its content, nor its marks, nor that it belongs to this archive.
func TestWriteOCIResumesFromDamage(t *testing.T) {
	im, want, _ := resumed(t)
	other := new(*im)
	other.Names = []string{"docker.io/library/other:2"}
	for name, damage := range map[string]func(t *testing.T, path string){
		"content": func(t *testing.T, path string) { overwrite(t, path+".partial", 20_000, make([]byte, 500_000)) },
		"shorter": func(t *testing.T, path string) {
			if err := os.Truncate(path+".partial", 30_000); err != nil {
				t.Fatal(err)
			}
		},
		"marks that promise more": func(t *testing.T, path string) {
			fi, err := os.Stat(path + ".partial.marks")
			if err != nil || fi.Size() <= 48 {
				t.Fatal(fi, err)
			}
			overwrite(t, path+".partial.marks", 48, bytes.Repeat([]byte{1}, int(fi.Size()-48)))
		},
		"marks of nothing": func(t *testing.T, path string) {
			overwrite(t, path+".partial.marks", 48, bytes.Repeat([]byte{0xff}, 32))
		},
		"marks of an earlier version": func(t *testing.T, path string) {
			if err := os.WriteFile(path+".partial.marks", bytes.Repeat([]byte{0, 0, 1, 0, 0, 0, 0, 0}, 8),
				0o600); err != nil {
				t.Fatal(err)
			}
		},
		"marks cut off": func(t *testing.T, path string) {
			if err := os.Truncate(path+".partial.marks", 50); err != nil {
				t.Fatal(err)
			}
		},
		"no marks": func(t *testing.T, path string) {
			if err := os.Remove(path + ".partial.marks"); err != nil {
				t.Fatal(err)
			}
		},
		"another archive": func(t *testing.T, path string) {
			again, _ := worn(other, 4_000_000)
			if err := resume(t, path, again); !errors.Is(err, errWornOut) {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.tar")
			again, _ := worn(im, 6_000_000)
			if err := resume(t, path, again); !errors.Is(err, errWornOut) {
				t.Fatal(err)
			}
			damage(t, path)
			if err := resume(t, path, im); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, want %d: %v", len(got), len(want), err)
			}
			checkAlone(t, path)
		})
	}
}

func overwrite(t *testing.T, path string, off int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// Nothing is kept of what has not begun.
func TestWriteOCIKeepsNothingOfNothing(t *testing.T) {
	im, _, _ := resumed(t)
	path := filepath.Join(t.TempDir(), "a.tar")
	again, _ := worn(im, 0)
	if err := resume(t, path, again); err == nil {
		t.Fatal("written without reading")
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// leading is a file that keeps only what is before an offset.
type leading struct {
	*os.File
	until int64
}

func (p leading) Wants(off, _ int64) bool { return off < p.until }

// A blob is not read if nothing of it is kept.
func TestWritePartReadsLittle(t *testing.T) {
	im, want, total := resumed(t)
	f, err := os.Create(filepath.Join(t.TempDir(), "a.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	again, source := worn(im, total)
	if err := dockerarchive.Write(t.Context(), leading{f, 100_000}, dockerarchive.OCI, []*image.Image{again},
		dockerarchive.Options{}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(f.Name())
	if err != nil || len(got) != len(want) || !bytes.Equal(got[:100_000], want[:100_000]) ||
		bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d: %v", len(got), len(want), err)
	}
	if source.read > total-1_000_000 {
		t.Errorf("%d of %d bytes were read", source.read, total)
	}
}
