package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/urfave/cli/v2"

	"drayage/dockerarchive"
	"drayage/internal/compression"
	"drayage/internal/transfer"
	"drayage/layout"
	"drayage/registry"
	"drayage/upload"
)

// openSaved takes the images of a saved tar that is to be pushed.
func (p *pusher) openSaved(src source, images []dockerarchive.SavedImage) error {
	if len(p.c.StringSlice("platform")) > 0 {
		return usagef("--platform chooses among the images of a layout; a saved tar is pushed as it is")
	}
	if len(images) > 1 && !p.dest.prefix {
		return usagef("%s is the name of one image, but the archive holds %d: %s: end DEST in / to keep their names, or choose one with docker-archive:%s:NAME",
			p.dest.text, len(images), savedLabels(images), src.path)
	}
	for i := range images {
		if err := p.add(upload.Target{Saved: &images[i]}, images[i].Names, savedLabel(images[i])); err != nil {
			return err
		}
	}
	return nil
}

// local is what a SOURCE on this machine holds: a layout, as a directory or as an archive that is one, or
// the images of a saved tar.
type local struct {
	layout *layout.Layout // nil: saved counts
	saved  []dockerarchive.SavedImage
}

// openLocal opens a layout or archive. What has to be closed afterwards is added to closes.
func (e *environment) openLocal(ctx context.Context, c *cli.Context, src source, closes *[]func() error) (local, error) {
	if src.kind == fromLayout {
		dir, err := layout.OpenDir(src.path)
		if err != nil {
			return local{}, err
		}
		*closes = append(*closes, dir.Close)
		return local{layout: dir.Layout}, nil
	}
	f, err := e.archiveFile(ctx, c, src, closes)
	if err != nil {
		return local{}, err
	}
	fi, err := f.Stat()
	if err != nil {
		return local{}, err
	}
	archive, err := dockerarchive.NewReader(f, fi.Size())
	if err != nil {
		return local{}, err
	}
	if l, err := archive.Layout(ctx); l != nil || err != nil {
		return local{layout: l}, err
	}
	images, err := archive.Images(ctx)
	if err != nil {
		return local{}, err
	}
	images, err = chooseSaved(images, src.name)
	return local{saved: images}, err
}

// archiveFile opens the archive as something that can be read at any place: a plain tar as it is, a
// stream or a compressed file by way of a temporary file.
func (e *environment) archiveFile(ctx context.Context, c *cli.Context, src source, closes *[]func() error) (*os.File, error) {
	f := e.stdin
	if src.kind != fromStdin {
		var err error
		if f, err = os.Open(src.path); err != nil {
			return nil, missing(src.path, err)
		}
		*closes = append(*closes, f.Close)
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if fi.IsDir() {
		return nil, fmt.Errorf("%w: it is a directory without oci-layout", dockerarchive.ErrNotImage)
	}
	if fi.Mode().IsRegular() {
		kind, err := detect(f)
		if err != nil || kind == compression.None {
			return f, err
		}
	}
	return e.spoolArchive(ctx, c, f, closes)
}

func detect(f *os.File) (compression.Kind, error) {
	prefix := make([]byte, compression.PeekSize)
	n, err := f.ReadAt(prefix, 0)
	if err != nil && err != io.EOF {
		return compression.None, err
	}
	return compression.Detect(prefix[:n]), nil
}

// spoolArchive copies a stream, uncompressed, into a temporary file, which is gone when the command ends, however
// it ends where the system lets open files be removed.
func (e *environment) spoolArchive(ctx context.Context, c *cli.Context, f *os.File, closes *[]func() error) (*os.File, error) {
	tmp, err := os.CreateTemp("", "drayage-")
	if err != nil {
		return nil, err
	}
	if runtime.GOOS == "windows" {
		*closes = append(*closes, func() error { return errors.Join(tmp.Close(), os.Remove(tmp.Name())) })
	} else {
		os.Remove(tmp.Name())
		*closes = append(*closes, tmp.Close)
	}
	e.note(c, "the tar cannot be read in place: it is copied to a temporary file in %s", os.TempDir())
	plain, kind, err := compression.NewReader(f)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	if _, err := io.Copy(tmp, transfer.WithContext(ctx, plain)); err != nil {
		return nil, spoolError(ctx, kind, err)
	}
	return tmp, nil
}

// spoolError tells an archive that cannot be decompressed from a disk or a pipe that fails.
func spoolError(ctx context.Context, kind compression.Kind, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case kind == compression.None, errors.As(err, new(*fs.PathError)):
		return fmt.Errorf("copy to a temporary file: %w", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the compressed archive is cut off: %w", registry.ErrIntegrity)
	}
	return fmt.Errorf("the compressed archive is damaged: %v: %w", err, registry.ErrIntegrity)
}

// chooseSaved returns the images that name means, or all of them if it is empty.
func chooseSaved(images []dockerarchive.SavedImage, name string) ([]dockerarchive.SavedImage, error) {
	if name == "" {
		return images, nil
	}
	full := name
	if ref, err := registry.ParseReference(name); err == nil {
		full = ref.String()
	}
	for _, im := range images {
		for _, n := range im.Names {
			if n == full {
				im.Names = []string{n}
				return []dockerarchive.SavedImage{im}, nil
			}
		}
		if im.ID.String() == name || im.ID.Encoded() == name {
			return []dockerarchive.SavedImage{im}, nil
		}
	}
	return nil, fmt.Errorf("the archive has no image %q; it has: %s: %w", name, savedLabels(images), registry.ErrNotFound)
}

func savedLabels(images []dockerarchive.SavedImage) string {
	var names []string
	for _, im := range images {
		names = append(names, savedLabel(im))
	}
	return list(names)
}

func savedLabel(im dockerarchive.SavedImage) string {
	if len(im.Names) > 0 {
		return im.Names[0]
	}
	return im.ID.String()
}
