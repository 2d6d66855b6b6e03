package dockerarchive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/graph"
	"drayage/internal/manifest"
	"drayage/layout"
)

// Layout returns the OCI layout that the archive is, or nil if it is to be read by its manifest.json: because it is no
// layout, because blobs of it are absent, or because its layers are uncompressed, as Docker since 25 saves them, with
// manifests that no registry ever had. The layout reads from the archive in place.
func (a *Reader) Layout(ctx context.Context) (*layout.Layout, error) {
	if len(a.entries[v1.ImageLayoutFile]) == 0 || len(a.entries[v1.ImageIndexFile]) == 0 {
		return nil, nil
	}
	l, err := layout.New(a.FS())
	if err != nil {
		return nil, err
	}
	if len(a.entries["manifest.json"]) == 0 {
		return l, nil
	}
	images, err := l.Images()
	if err != nil || len(images) == 0 {
		return nil, err
	}
	for _, im := range images {
		if pulled, err := a.asPulled(ctx, l, im.Descriptor); !pulled || err != nil {
			return nil, err
		}
	}
	return l, nil
}

// asPulled reports whether all of an image is there, with layers as registries have them. A manifest that is there and damaged
// is an error: manifest.json may know of less than it.
func (a *Reader) asPulled(ctx context.Context, l *layout.Layout, root v1.Descriptor) (bool, error) {
	g, err := graph.Load(ctx, l, root, graph.Selection{All: true})
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case errors.Is(err, ErrIntegrity):
		return false, fmt.Errorf("archive is damaged: %w", err)
	case err != nil:
		return false, nil
	}
	for _, d := range g.Blobs {
		if len(a.entries[ociPath(d.Digest)]) == 0 || d.MediaType == v1.MediaTypeImageLayer || d.MediaType == manifest.DockerPlainLayer {
			return false, nil
		}
	}
	return true, nil
}

// FS shows the files of the archive as a file system to read from. Directories cannot be listed.
func (a *Reader) FS() fs.FS { return archiveFS{a} }

type archiveFS struct{ a *Reader }

// Open implements fs.FS.
func (f archiveFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if len(f.a.entries[name]) == 0 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	s, err := f.a.find(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &archiveFile{SectionReader: s, name: path.Base(name)}, nil
}

// archiveFile is an open file of an archive.
type archiveFile struct {
	*io.SectionReader
	name   string
	closed bool
}

// Stat implements fs.File.
func (f *archiveFile) Stat() (fs.FileInfo, error) {
	h := tar.Header{Name: f.name, Size: f.Size(), Mode: 0o444, Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)}
	return h.FileInfo(), nil
}

// Close implements fs.File.
func (f *archiveFile) Close() error {
	if f.closed {
		return errors.New("archive: file closed twice")
	}
	f.closed = true
	return nil
}
