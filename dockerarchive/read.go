// Package dockerarchive reads and writes archives: tars that hold images, as docker save makes and docker
// load takes them.
//
// [Reader] reads every format that is in use: docker tars with a manifest.json, OCI tars with an index.json,
// tars with both, and v1 archives from before Docker 1.10. [NewReader] opens an archive that can be read at
// any place, [Scan] looks at one that comes as a stream, and [NewPass] takes one from a stream in one go.
// [Reader.Contents] tells what images there are. An image comes out as a [layout.Layout] that reads from the
// archive, or as a [SavedImage]. Configurations are checked against their names. Layers are not verified: who
// reads them compares them with their digest or diff ID. Errors about an archive that is damaged or
// contradicts itself wrap [ErrIntegrity]. Errors about input that is no archive wrap [ErrNotImage].
//
// [Write] and [Stream] make an archive in one of two formats, [Docker] and [OCI], of images that come from a
// registry, a layout or another archive. Every byte is verified on its way. The same images make the same
// bytes.
package dockerarchive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"drayage/internal/jsonkeys"
	"drayage/internal/plaintext"
	"drayage/internal/tarfs"
	"drayage/internal/verify"
)

// ErrNotImage is wrapped by errors about input that is no saved image.
var ErrNotImage = errors.New("not a saved image")

// ErrGone is wrapped by errors about a part of a stream that has passed by and was too large to hold.
var ErrGone = tarfs.ErrGone

// Reader gives access to the images of an archive. It reads them where they lie, and never uses a name from
// the archive as a path. It may be used concurrently.
type Reader struct {
	tar   *tarfs.Index
	known sync.Map // for SavedLayer
}

// NewReader opens the uncompressed archive in r, which is size bytes long. The Reader reads from r as long as
// it is used. It does not close r.
func NewReader(r io.ReaderAt, size int64) (*Reader, error) { return newReader(tarfs.New(r, size)) }

// Salvage is NewReader for an archive that may be damaged or cut off. With the error it returns a Reader of
// what can be found, if that is anything. Nothing in it is taken to be absent on purpose. behind tells of an
// offset that cannot be read which one is worth a try after it; if it is nil, the archive ends at the fault.
func Salvage(r io.ReaderAt, size int64, behind func(offset int64) int64) (*Reader, error) {
	tar, fault := tarfs.Salvage(r, size, behind)
	if tar == nil {
		return nil, tarError(fault)
	}
	a, err := newReader(tar, nil)
	return a, cmp.Or(err, tarError(fault))
}

// Scan reads an archive from a stream, once and to its end. It holds what describes images: small files of
// JSON, and the first bytes of all others. Reading more of those from the Reader fails with an error that
// wraps [ErrGone]. Memory is bounded.
func Scan(ctx context.Context, r io.Reader) (*Reader, error) { return newReader(tarfs.Scan(ctx, r)) }

func newReader(tar *tarfs.Index, err error) (*Reader, error) {
	if err != nil {
		return nil, tarError(err)
	}
	a := &Reader{tar: tar}
	for _, dir := range tar.Around() {
		if a.imageIn(dir) {
			tar.SetRoot(dir) // somebody has packed the whole directory
			break
		}
	}
	return a, nil
}

// tarError lets an error about what is no tar match ErrNotImage.
func tarError(err error) error {
	if errors.Is(err, tarfs.ErrNotTar) {
		return fmt.Errorf("%w: %w", ErrNotImage, err)
	}
	return err
}

func (a *Reader) imageIn(dir string) bool {
	has := func(name string) bool { return a.tar.Has(path.Join(dir, name)) }
	return has("manifest.json") || has("oci-layout") || has("repositories") || len(a.v1Dirs(dir)) > 0
}

// FS shows the files of the archive as a file system to read from. Directories cannot be listed.
func (a *Reader) FS() fs.FS { return a.tar }

// readJSON reads a file that describes the archive, as text in UTF-8.
func (a *Reader) readJSON(name string, limit int64) ([]byte, error) {
	raw, err := a.tar.Read(name, limit)
	if err != nil {
		return nil, err
	}
	raw = plaintext.UTF8(raw)
	if err := jsonkeys.Bounded(raw); err != nil {
		return nil, verify.Mismatchf("entry %q is too large: %v", name, err)
	}
	return raw, nil
}

// what says what an archive without images is, in words that follow "not a saved image".
func (a *Reader) what() string {
	names := slices.Sorted(maps.Keys(maps.Collect(a.tar.Below(""))))
	switch {
	case a.tar.Has("oci-layout") && a.tar.Has("index.json"):
		return " by docker: it is an OCI archive without manifest.json"
	case a.tar.Has("oci-layout"):
		return ": it has oci-layout but no index.json: part of an OCI layout is missing"
	case a.tar.Has("index.json") && a.hasPart("", "blobs"):
		return ": it has index.json but no oci-layout: part of an OCI layout is missing"
	case a.tar.Has("repositories"):
		return ": it has the file repositories and nothing else of an image"
	case len(names) == 0:
		return ": the archive is empty"
	}
	for _, dir := range a.tar.Around() {
		switch {
		case a.tar.Has(path.Join(dir, "Chart.yaml")):
			return ": it is a Helm chart"
		case a.hasPart(dir, "bin", "etc", "usr", ".dockerenv"):
			return ": it is a root filesystem, as docker export and buildkit's type=tar make; docker save makes images"
		}
	}
	if i := slices.IndexFunc(names, isArchive); i >= 0 {
		return fmt.Sprintf(": it has no manifest.json, but another archive in it, %q: unpack that first", names[i])
	}
	return ": the archive has no manifest.json"
}

// hasPart reports whether a directory has one of these in it, as a file or as a directory.
func (a *Reader) hasPart(dir string, parts ...string) bool {
	for name := range a.tar.Below(dir) {
		if first, _, _ := strings.Cut(name, "/"); slices.Contains(parts, first) {
			return true
		}
	}
	return false
}

func isArchive(name string) bool {
	return path.Ext(name) == ".tar" || path.Ext(name) == ".tgz" || strings.HasSuffix(name, ".tar.gz")
}
