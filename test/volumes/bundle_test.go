//go:build linux

package volumes

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/internal/fakeregistry"
	"drayage/internal/parity"
	"drayage/internal/volume"
	"drayage/test/faultreg"
)

const (
	mib = 1 << 20

	name    = "x.tar"
	setFile = name + ".set"
)

// kind is how a bundle is made.
type kind struct {
	format string
	parity int
	signed bool
}

// String is the name of the kind in tests.
func (k kind) String() string {
	words := []string{k.format}
	if k.parity > 0 {
		words = append(words, fmt.Sprint("parity", k.parity))
	}
	if k.signed {
		words = append(words, "signed")
	}
	return strings.Join(words, "+")
}

// bundle is an archive of one image in volumes, all of it in memory.
type bundle struct {
	kind
	archive []byte
	set     *volume.Set
	files   map[string][]byte // volumes, parity volumes, set file and signature
	places  []place           // of the archive
}

// place is a byte of the archive that has a meaning of its own.
type place struct {
	name string
	at   int64
}

// archiveOf is the tar of an image of an age. It is made once.
func archiveOf(t testing.TB, format, age string) []byte {
	t.Helper()
	archivesMu.Lock()
	defer archivesMu.Unlock()
	if known := archives[format+age]; known != nil {
		return known
	}
	w := newWorld(t)
	registry := fakeregistry.New()
	registry.PutImage("app", "1", fakeregistry.Image{Platform: platform,
		Layers: []fakeregistry.Layer{layer(age, 6*mib), layer("shared", 3*mib/2+100)}})
	s := faultreg.Start(registry, false)
	defer s.Close()
	w.must("save", s.Addr()+"/app:1", "-o", name, "--format", format, "--tag", "example.test/app:1")
	archives[format+age] = w.read(name)
	return archives[format+age]
}

var (
	archivesMu sync.Mutex
	archives   = map[string][]byte{}
)

// newBundle cuts the archive of an age into volumes of two blocks of 1 MiB.
func newBundle(t testing.TB, k kind, age string) *bundle {
	t.Helper()
	b := &bundle{kind: k, archive: archiveOf(t, k.format, age), files: map[string][]byte{}}
	b.cut(t, 2*mib)
	if k.signed {
		b.sign(t)
	}
	b.places = placesOf(t, b)
	return b
}

// cut makes volumes, parity volumes and the set file of the archive.
func (b *bundle) cut(t testing.TB, size int) {
	t.Helper()
	b.set = &volume.Set{Name: name, Size: int64(len(b.archive)), SHA256: digest.FromBytes(b.archive), Block: mib,
		Volume: int64(size)}
	for rest := b.archive; len(rest) > 0; {
		v := rest[:min(size, len(rest))]
		rest = rest[len(v):]
		b.set.Volumes = append(b.set.Volumes, volume.Volume{Size: int64(len(v)), SHA256: digest.FromBytes(v)})
		b.set.Blocks = append(b.set.Blocks, sums(v)...)
		b.files[b.set.FileName(len(b.set.Volumes)-1)] = slices.Clone(v)
	}
	if b.parity > 0 {
		b.addParity(t)
	}
	raw, err := b.set.Encode()
	if err != nil {
		t.Fatal(err)
	}
	b.files[setFile] = raw
}

// sums are the hashes of the blocks.
func sums(data []byte) (all []byte) {
	for len(data) > 0 {
		b := data[:min(mib, len(data))]
		data = data[len(b):]
		sum := sha256.Sum256(b)
		all = append(all, sum[:]...)
	}
	return all
}

// unpack writes the files into a directory of the world.
func (b *bundle) unpack(w *world, dir string) {
	w.Helper()
	for file, content := range b.files {
		w.write(filepath.Join(dir, file), content)
	}
}

// volumeAt is the file that has a byte of the archive, and the place in it.
func (b *bundle) volumeAt(at int64) (file string, offset int64) {
	i, offset := b.set.Locate(at)
	return b.set.FileName(i), offset
}

// placesOf finds a byte of every class: of a volume, a block, a tar's header, its padding and its end, of
// documents and of layers.
func placesOf(t testing.TB, b *bundle) []place {
	t.Helper()
	size := int64(len(b.archive))
	all := []place{
		{"first byte of the archive", 0}, {"last byte of a volume", 2*mib - 1},
		{"first byte of a volume", 2 * mib}, {"last byte of a block", 3*mib - 1},
		{"first byte of a block", 3 * mib}, {"first byte of the short last block", (size - 1) / mib * mib},
		{"zeros at the end", size - 600}, {"last byte of the archive", size - 1},
	}
	r := bytes.NewReader(b.archive)
	position := func() int64 { return size - int64(r.Len()) }
	for tr := tar.NewReader(struct{ io.Reader }{r}); ; {
		header, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		data := position()
		what := header.Name
		if header.Size > mib {
			what = fmt.Sprintf("a layer of %d bytes", header.Size)
			all = append(all, place{"middle of " + what, data + header.Size/2})
		}
		all = append(all, place{"name in the header of " + what, data - 512},
			place{"checksum in the header of " + what, data - 512 + 150})
		if header.Size > 0 {
			all = append(all, place{"first byte of " + what, data},
				place{"last byte of " + what, data + header.Size - 1})
		}
		if header.Size%512 != 0 {
			all = append(all, place{"padding of " + what, data + header.Size})
		}
	}
}

// addParity computes parity volumes.
func (b *bundle) addParity(t testing.TB) {
	t.Helper()
	var in []parity.Input
	for i, v := range b.set.Volumes {
		in = append(in, parity.Input{Point: i, From: bytes.NewReader(b.files[b.set.FileName(i)]), Size: v.Size})
	}
	n := len(in)
	content := make([][]byte, b.parity)
	var out []parity.Output
	for k := range content {
		out = append(out, parity.Output{Point: n + k, Take: func(p []byte, _ int64) error {
			content[k] = append(content[k], p...)
			return nil
		}})
	}
	if err := parity.Compute(t.Context(), in, out, parity.Range{Size: b.set.Volumes[0].Size}, nil); err != nil {
		t.Fatal(err)
	}
	for k, c := range content {
		b.set.Parity = append(b.set.Parity, volume.Volume{Size: int64(len(c)), SHA256: digest.FromBytes(c)})
		b.set.ParityBlocks = append(b.set.ParityBlocks, sums(c)...)
		b.files[b.set.ParityName(k)] = c
	}
}
