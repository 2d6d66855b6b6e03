package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"drayage/dockerarchive"
	"drayage/internal/compression"
	"drayage/registry"
	"drayage/upload"
)

// openArchive finds the images of a saved tar.
func (p *pusher) openArchive(ctx context.Context, src source) error {
	if len(p.c.StringSlice("platform")) > 0 {
		return usagef("--platform chooses among the images of a layout; a saved tar is pushed as it is")
	}
	f, err := p.archiveFile(ctx, src)
	if err != nil {
		return err
	}
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	archive, err := dockerarchive.NewReader(f, fi.Size())
	if err != nil {
		return err
	}
	images, err := archive.Images()
	if err != nil {
		return err
	}
	if images, err = chooseSaved(images, src.name); err != nil {
		return err
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

// archiveFile opens the archive as something that can be read at any place: a plain tar as it is, a
// stream or a compressed file by way of a temporary file.
func (p *pusher) archiveFile(ctx context.Context, src source) (*os.File, error) {
	f := p.env.stdin
	if src.kind != fromStdin {
		var err error
		if f, err = os.Open(src.path); err != nil {
			return nil, missing(src.path, err)
		}
		p.closes = append(p.closes, f.Close)
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
	return p.spool(ctx, f)
}

func detect(f *os.File) (compression.Kind, error) {
	prefix := make([]byte, compression.PeekSize)
	n, err := f.ReadAt(prefix, 0)
	if err != nil && err != io.EOF {
		return compression.None, err
	}
	return compression.Detect(prefix[:n]), nil
}

// spool copies a stream, uncompressed, into a temporary file, which is gone when the command ends, however
// it ends where the system lets open files be removed.
func (p *pusher) spool(ctx context.Context, f *os.File) (*os.File, error) {
	tmp, err := os.CreateTemp("", "drayage-")
	if err != nil {
		return nil, err
	}
	if runtime.GOOS == "windows" {
		p.closes = append(p.closes, func() error { return errors.Join(tmp.Close(), os.Remove(tmp.Name())) })
	} else {
		os.Remove(tmp.Name())
		p.closes = append(p.closes, tmp.Close)
	}
	p.env.note(p.c, "the tar cannot be read in place: it is copied to a temporary file in %s", os.TempDir())
	plain, _, err := compression.NewReader(f)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	if _, err := io.Copy(tmp, stoppable{ctx, plain}); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("the compressed archive is cut off: %w", registry.ErrIntegrity)
		}
		return nil, fmt.Errorf("copy to a temporary file: %w", err)
	}
	return tmp, nil
}

// stoppable ends a stream when its context ends.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (s stoppable) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.r.Read(p)
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
	for i, im := range images {
		if i == maxLabels {
			names = append(names, fmt.Sprintf("and %d more", len(images)-i))
			break
		}
		names = append(names, savedLabel(im))
	}
	return strings.Join(names, ", ")
}

func savedLabel(im dockerarchive.SavedImage) string {
	if len(im.Names) > 0 {
		return im.Names[0]
	}
	return im.ID.String()
}
