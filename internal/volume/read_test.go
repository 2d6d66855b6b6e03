package volume

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"

	"drayage/internal/verify"
)

const mib = 1 << 20

// counted counts what is read of a file.
type counted struct {
	readCloser
	bytes *atomic.Int64
}

func (c counted) ReadAt(p []byte, offset int64) (int, error) {
	n, err := c.readCloser.ReadAt(p, offset)
	c.bytes.Add(int64(n))
	return n, err
}

// onDisk writes an archive in volumes and opens these. read is how many bytes have been read of them since.
func onDisk(t testing.TB, archive []byte, block, size int64) (f *Files, dir string, read *atomic.Int64) {
	t.Helper()
	dir = t.TempDir()
	s := &Set{Name: "x.tar", Size: int64(len(archive)), SHA256: digest.FromBytes(archive), Block: block,
		Volume: size}
	for at := int64(0); at < s.Size; at += size {
		v := archive[at:min(at+size, s.Size)]
		s.Volumes = append(s.Volumes, Volume{Size: int64(len(v)), SHA256: digest.FromBytes(v)})
		for b := int64(0); b < int64(len(v)); b += block {
			sum := sha256.Sum256(v[b:min(b+block, int64(len(v)))])
			s.Blocks = append(s.Blocks, sum[:]...)
		}
		name := filepath.Join(dir, s.FileName(len(s.Volumes)-1))
		if err := os.WriteFile(name, v, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	f, err := Find(t.Context(), s, []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	read = &atomic.Int64{}
	for i := range s.Volumes {
		if _, err := f.file(i); err != nil {
			t.Fatal(err)
		}
		f.opened[i] = counted{f.opened[i], read}
	}
	return f, dir, read
}

// random is content that is the same for each test.
func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	if _, err := r.Read(b); err != nil {
		panic(err)
	}
	return b
}

func TestReaderAt(t *testing.T) {
	archive := random(5*mib + 100)
	f, _, _ := onDisk(t, archive, mib, 2*mib)
	if err := iotest.TestReader(io.NewSectionReader(f, 0, f.Size()), archive); err != nil {
		t.Error(err)
	}
	if n, err := f.ReadAt(make([]byte, 10), f.Size()-5); n != 5 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if n, err := f.ReadAt(make([]byte, 10), f.Size()); n != 0 || err != io.EOF {
		t.Errorf("behind the end: %d, %v", n, err)
	}
	if _, err := f.ReadAt(make([]byte, 10), -1); err == nil {
		t.Error("before the beginning: no error")
	}
	all := make([]byte, f.Size())
	if n, err := f.ReadAt(all, 0); err != nil || !bytes.Equal(all[:n], archive) {
		t.Errorf("%d bytes at once: %v", n, err)
	}
}

// A block is read and compared once, however many readers want it at once.
func TestBlocksAreComparedOnce(t *testing.T) {
	archive := random(8 * mib)
	f, _, read := onDisk(t, archive, 4*mib, 8*mib)
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
			if err != nil || !bytes.Equal(got, archive) {
				t.Errorf("%d bytes: %v", len(got), err)
			}
		})
	}
	all.Wait()
	if n := read.Load(); n != f.Size() {
		t.Errorf("%d bytes were read, the archive has %d", n, f.Size())
	}
}

// Streams that are read side by side cost hardly more than one after another.
func TestManyStreams(t *testing.T) {
	archive := random(64 * mib)
	f, _, read := onDisk(t, archive, 4*mib, 16*mib)
	const streams = 8
	var all sync.WaitGroup
	for i := range int64(streams) {
		all.Go(func() {
			from, n := i*f.Size()/streams, f.Size()/streams
			got, err := io.ReadAll(io.NewSectionReader(f, from, n))
			if err != nil || !bytes.Equal(got, archive[from:from+n]) {
				t.Errorf("%d bytes: %v", len(got), err)
			}
		})
	}
	all.Wait()
	if n := read.Load(); n > 2*f.Size() {
		t.Errorf("%d bytes were read, the archive has %d", n, f.Size())
	}
	if held := int64(f.cache.made) * f.cache.size; held > maxCache {
		t.Errorf("%d bytes are held", held)
	}
}

// Blocks that are too large to be held are read twice, and never more.
func TestLargeBlocks(t *testing.T) {
	archive := random(40 * mib)
	f, _, read := onDisk(t, archive, 16*mib, 32*mib)
	got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err != nil || !bytes.Equal(got, archive) {
		t.Errorf("%d bytes: %v", len(got), err)
	}
	if n := read.Load(); n > 2*f.Size() {
		t.Errorf("%d bytes were read, the archive has %d", n, f.Size())
	}
	if held := int64(f.cache.made) * f.cache.size; held > maxCache {
		t.Errorf("%d bytes are held", held)
	}
}

// What changes on the disk after a block was compared is never given out.
func TestFilesThatChange(t *testing.T) {
	for name, block := range map[string]int64{"held": mib, "large": 16 * mib} {
		t.Run(name, func(t *testing.T) {
			archive := random(48 * mib)
			f, dir, _ := onDisk(t, archive, block, 48*mib)
			if got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size())); err != nil || !bytes.Equal(got, archive) {
				t.Fatalf("%d bytes: %v", len(got), err)
			}
			file, err := os.OpenFile(filepath.Join(dir, "x.tar.001"), os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			at := f.cache.size + 5 // in the second piece of the first block, which is not held any more
			if _, err := file.WriteAt([]byte{archive[at] ^ 1}, at); err != nil {
				t.Fatal(err)
			}
			p := make([]byte, 10)
			if _, err := f.ReadAt(p, 0); err != nil || !bytes.Equal(p, archive[:10]) {
				t.Errorf("what has not changed: %v", err)
			}
			if n, err := f.ReadAt(p, at); n > 0 || !errors.Is(err, verify.ErrMismatch) ||
				!strings.Contains(err.Error(), "it has changed") {
				t.Errorf("what has changed: %d bytes, %v", n, err)
			}
			health, err := f.Check(t.Context(), nil)
			if err != nil || len(health.States[0].Bad) != 1 {
				t.Errorf("%+v, %v", health.States[0], err)
			}
			if err := file.Truncate(mib); err != nil {
				t.Fatal(err)
			}
			if _, err := f.ReadAt(p, 2*mib); !errors.Is(err, verify.ErrMismatch) {
				t.Errorf("what has gone: %v", err)
			}
		})
	}
}

// A volume that fails to be read is named, and where.
func TestReadErrors(t *testing.T) {
	f, _, _ := onDisk(t, random(6*mib), mib, 2*mib)
	f.opened[1] = failing{f.opened[1]}
	_, err := f.ReadAt(make([]byte, 10), 3*mib)
	want := "volume 2 of 3 (x.tar.002): block 1 (bytes 1048576 to 2097151): a bad sector"
	if err == nil || err.Error() != want {
		t.Error(err)
	}
	health, err := f.Check(t.Context(), nil)
	want = "bad x.tar.002: blocks 0 to 1 (bytes 0 to 2097151) (a bad sector)"
	if err != nil || health.Line(1) != want || health.Line(2) != "ok x.tar.003" {
		t.Errorf("%v\n%s\n%s", err, health.Line(1), health.Line(2))
	}
}

type failing struct{ readCloser }

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("a bad sector") }

// The memory for what is known of blocks does not grow with the archive.
func TestStatesAreForgotten(t *testing.T) {
	c := newCache(mib)
	for i := range 3 * maxStates {
		b := &block{place: place{block: i}, states: make([][]byte, 4), last: -1}
		c.begin(b)
		c.finish(b)
		if c.states > maxStates || len(c.blocks) > maxStates {
			t.Fatalf("%d states of %d blocks", c.states, len(c.blocks))
		}
	}
}

func BenchmarkSequential(b *testing.B) {
	archive := random(64 * mib)
	f, _, _ := onDisk(b, archive, 4*mib, 64*mib)
	b.SetBytes(f.Size())
	for b.Loop() {
		f.cache = newCache(f.set.Block)
		if _, err := io.Copy(io.Discard, io.NewSectionReader(f, 0, f.Size())); err != nil {
			b.Fatal(err)
		}
	}
}
