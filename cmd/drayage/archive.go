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
	"drayage/registry"
)

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
