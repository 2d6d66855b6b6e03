// Package layout reads and writes OCI image layouts
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md). [New] reads a layout from any
// fs.FS, be it a directory or an archive. [OpenDir] and [CreateDir] add writing to a directory.
//
// Images come out by [Layout.Images] and [Layout.Open], which makes a [Layout] an [image.Source]. They go
// in by [Dir.Push], blob by blob, and then by [Dir.Enter], which gives them their names.
//
// A blob appears when all its bytes have been compared with its digest, and a name when everything that it
// leads to is there. Both outlive a power cut. The next Push goes on with what a broken one has left.
// Several processes may write to a layout at once. What other tools have put into index.json stays there.
package layout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/jsonkeys"
	"drayage/internal/kind"
	"drayage/internal/limits"
	"drayage/internal/plaintext"
	"drayage/internal/verify"
)

// Annotations of entries of index.json.
const (
	// AnnotationName is where Docker and containerd look for the full name of an image.
	AnnotationName = "io.containerd.image.name"
	// AnnotationSubject has the digest of the image that a referrer refers to, as Docker writes it.
	AnnotationSubject = "io.containerd.manifest.subject"
	// annotationReferrer has the same in layouts of others: of one referrer, or of the index of them all
	// (https://github.com/opencontainers/image-spec/pull/1171).
	annotationReferrer = "org.opencontainers.image.referrer.subject"
)

// ErrIntegrity is wrapped by errors about content that is not what its digest says.
var ErrIntegrity = verify.ErrMismatch

// Layout is an image layout to read from. Its methods may be called concurrently.
type Layout struct {
	fsys fs.FS
	view *view // what it shows instead of its index.json; or nil
}

// view is another index of a layout.
type view struct {
	images []Image
	made   map[digest.Digest][]byte
}

var _ image.Source = (*Layout)(nil)

// Image is an entry of index.json.
type Image struct {
	Descriptor  v1.Descriptor     // without annotations
	Annotations map[string]string // of the entry
	Name        string            // full name, as in docker.io/library/alpine:3.20; empty if there is none
	Ref         string            // org.opencontainers.image.ref.name: the tag, or whatever its writer put there

	// Subject is set if index.json says that the entry is a referrer, such as a signature or an SBOM: the digest
	// of what it belongs to, which may be absent. Tag is where cosign looks for it then, or empty.
	Subject digest.Digest
	Tag     string
}

// New returns the layout in fsys, after a look at its version. The Layout reads from fsys as long as it is
// used.
func New(fsys fs.FS) (*Layout, error) {
	version, err := readVersion(fsys)
	if errors.Is(err, fs.ErrNotExist) && isUnmarked(fsys) {
		return &Layout{fsys: fsys}, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("not an OCI layout: there is no oci-layout file")
	}
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(version, "1.") {
		return nil, fmt.Errorf("OCI layout version %q is not supported, only 1.x", version)
	}
	return &Layout{fsys: fsys}, nil
}

// isUnmarked reports whether everything of a layout is there but its oci-layout file. The store of hauler is
// such a directory.
func isUnmarked(fsys fs.FS) bool {
	ix, err := readIndex(fsys)
	return err == nil && slices.ContainsFunc(ix.entries, func(e entry) bool {
		_, err := fs.Stat(fsys, blobPath(e.desc))
		return err == nil && verify.Descriptor(e.desc) == nil
	})
}

// With returns the layout with these images in place of the entries of its index.json, and with manifests
// that were made for them and are not stored.
func (l *Layout) With(images []Image, made map[digest.Digest][]byte) *Layout {
	return &Layout{fsys: l.fsys, view: &view{images, made}}
}

// Content returns the layout as a source of its blobs alone, without what it lists.
func (l *Layout) Content() image.Source {
	if l.view == nil {
		return l
	}
	return l.With(nil, l.view.made)
}

// RawIndex returns index.json as it stands.
func (l *Layout) RawIndex() ([]byte, error) {
	return readFile(l.fsys, v1.ImageIndexFile, limits.IndexJSON)
}

// readVersion reads the version of a layout from oci-layout.
func readVersion(fsys fs.FS) (string, error) {
	raw, err := readFile(fsys, v1.ImageLayoutFile, 4<<10)
	if err != nil {
		return "", err
	}
	raw = plaintext.UTF8(raw)
	var found v1.ImageLayout
	if err := json.Unmarshal(raw, &found); err != nil {
		return "", fmt.Errorf("oci-layout is not valid JSON: %v", err)
	}
	if err := jsonkeys.Unique(raw); err != nil {
		return "", fmt.Errorf("oci-layout is ambiguous: %v", err)
	}
	return found.Version, nil
}

var errNotRegular = errors.New("not a regular file")

// openFile opens a regular file. Everything else is refused unopened: a named pipe would wait for its other
// end.
func openFile(fsys fs.FS, name string) (fs.File, error) {
	fi, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is %w (%s)", name, errNotRegular, fi.Mode().Type())
	}
	return fsys.Open(name)
}

// wholeRead is how many bytes of a file are believed to be there. An index of very many images is shorter.
const wholeRead = 8 << 20

// readFile reads a small file; one that is larger than limit is an error.
func readFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := openFile(fsys, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	if fi, err := f.Stat(); err == nil {
		b.Grow(int(min(max(fi.Size(), 0), limit, wholeRead)) + bytes.MinRead)
	}
	if _, err := b.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, err
	}
	if int64(b.Len()) > limit {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, limit)
	}
	return b.Bytes(), nil
}

// blobPath is the name of the file of a blob, whose digest must be valid.
func blobPath(d v1.Descriptor) string {
	return v1.ImageBlobsDir + "/" + d.Digest.Algorithm().String() + "/" + d.Digest.Encoded()
}

// ErrLacking is matched by the error of [Layout.Open] about a blob that is not there.
var ErrLacking = errors.New("the layout lacks a blob")

type lacking struct{ digest digest.Digest }

func (e *lacking) Error() string { return fmt.Sprintf("layout has no blob %s", e.digest) }

// Is implements matching for errors.Is.
func (e *lacking) Is(target error) bool { return target == ErrLacking || target == fs.ErrNotExist }

// Open implements [image.Source]: it returns length raw bytes of a blob from offset on, or all that follow
// if length is [image.ToEnd]. The bytes are not verified. If the layout has no such blob, the error matches
// fs.ErrNotExist and ErrLacking. The caller closes the reader.
func (l *Layout) Open(_ context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	if err := verify.Descriptor(d); err != nil {
		return nil, err
	}
	if raw, ok := l.made(d.Digest); ok {
		return io.NopCloser(image.Section(bytes.NewReader(raw), int64(len(raw)), offset, length)), nil
	}
	f, err := openFile(l.fsys, blobPath(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &lacking{d.Digest}
	}
	if err != nil {
		return nil, err
	}
	r, err := section(f, offset, length)
	if err != nil {
		f.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{r, f}, nil
}

func (l *Layout) made(d digest.Digest) (raw []byte, ok bool) {
	if l.view != nil {
		raw, ok = l.view.made[d]
	}
	return raw, ok
}

// section returns length bytes of f from offset on. Of some file systems a file can only be read from its
// beginning.
func section(f fs.File, offset, length int64) (io.Reader, error) {
	if r, ok := f.(io.ReaderAt); ok {
		fi, err := f.Stat()
		if err != nil {
			return nil, err
		}
		return image.Section(r, fi.Size(), offset, length), nil
	}
	if _, err := io.CopyN(io.Discard, f, offset); err != nil && err != io.EOF {
		return nil, err
	}
	if length == image.ToEnd {
		return f, nil
	}
	return io.LimitReader(f, length), nil
}

// Stat returns the descriptor of a blob whose digest alone is known. Its media type says nothing
// about the content. If the layout has no such blob, the error wraps fs.ErrNotExist.
func (l *Layout) Stat(d digest.Digest) (v1.Descriptor, error) {
	desc := v1.Descriptor{MediaType: "application/octet-stream", Digest: d}
	if err := verify.Digest(d); err != nil {
		return v1.Descriptor{}, err
	}
	if raw, ok := l.made(d); ok {
		desc.Size = int64(len(raw))
		return desc, nil
	}
	fi, err := fs.Stat(l.fsys, blobPath(desc))
	if errors.Is(err, fs.ErrNotExist) {
		return v1.Descriptor{}, kind.Errorf(fs.ErrNotExist, "layout has no blob %s", d)
	}
	if err != nil {
		return v1.Descriptor{}, err
	}
	if !fi.Mode().IsRegular() {
		return v1.Descriptor{}, fmt.Errorf("layout: %s is not a regular file", blobPath(desc))
	}
	desc.Size = fi.Size()
	return desc, nil
}

// Images lists the entries of index.json in its order.
func (l *Layout) Images() ([]Image, error) {
	if l.view != nil {
		return slices.Clone(l.view.images), nil
	}
	ix, err := readIndex(l.fsys)
	if err != nil {
		return nil, err
	}
	return ix.images(l)
}

// images are the entries of an index of a layout, in its order.
func (ix *index) images(l *Layout) ([]Image, error) {
	all := make([]Image, 0, len(ix.entries))
	for _, e := range ix.entries {
		if e.desc.Size == verify.NoSize {
			if found, err := l.Stat(e.desc.Digest); err == nil {
				e.desc.Size = found.Size
			}
		}
		if err := verify.Descriptor(e.desc); err != nil {
			return nil, fmt.Errorf("index.json refers to %w", err)
		}
		all = append(all, e.image())
	}
	linkKinds(all)
	return all, nil
}

// Find returns the images that name means: a full name, a tag or another ref.name, or a digest.
func (l *Layout) Find(name string) ([]Image, error) {
	all, err := l.Images()
	return slices.DeleteFunc(all, func(im Image) bool {
		return name != im.Name && name != im.Ref && name != im.Descriptor.Digest.String()
	}), err
}
