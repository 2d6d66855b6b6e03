package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"

	"drayage/dockerarchive"
	"drayage/internal/compression"
	"drayage/registry"
)

// input is an archive as it comes: a file, or standard input.
type input struct {
	file    *os.File
	text    string // what messages call it
	regular bool   // a file that can be read at any place
	offset  int64  // where the archive begins in it
	size    int64  // from there on
	kind    compression.Kind
}

// openInput opens an archive. What has to be closed afterwards is added to closes.
func (e *environment) openInput(src source, closes *[]func() error) (*input, error) {
	in := &input{file: e.stdin, text: "standard input", kind: compression.None}
	if src.kind != fromStdin {
		var err error
		if in.file, err = os.Open(src.path); err != nil {
			return nil, missing(src.path, err)
		}
		in.text = src.path
		*closes = append(*closes, in.file.Close)
	}
	fi, err := in.file.Stat()
	if err != nil {
		return nil, err
	}
	if fi.IsDir() {
		return nil, fmt.Errorf("%w: it is a directory without oci-layout", dockerarchive.ErrNotImage)
	}
	if in.regular = fi.Mode().IsRegular(); !in.regular {
		return in, nil
	}
	if in.offset, err = in.file.Seek(0, io.SeekCurrent); err != nil {
		return nil, err
	}
	in.size = max(fi.Size()-in.offset, 0)
	return in, in.detect()
}

func (in *input) detect() error {
	prefix := make([]byte, compression.PeekSize)
	n, err := in.file.ReadAt(prefix, in.offset)
	if err != nil && err != io.EOF {
		return err
	}
	in.kind = compression.Detect(prefix[:n])
	return nil
}

// inPlace returns the archive if it can be read where it is, or nil.
func (in *input) inPlace() (*dockerarchive.Reader, error) {
	if !in.regular || in.kind != compression.None {
		return nil, nil
	}
	return dockerarchive.NewReader(io.NewSectionReader(in.file, in.offset, in.size), in.size)
}

// plain returns the uncompressed tar from its beginning.
func (in *input) plain(closes *[]func() error) (io.Reader, error) {
	if in.regular {
		if _, err := in.file.Seek(in.offset, io.SeekStart); err != nil {
			return nil, err
		}
	}
	r, kind, err := compression.NewReader(in.file)
	if err != nil {
		return nil, streamError(kind, err)
	}
	in.kind = kind
	*closes = append(*closes, r.Close)
	return &plainReader{r, kind}, nil
}

// plainReader says of errors what they mean.
type plainReader struct {
	r    io.Reader
	kind compression.Kind
}

// Read implements io.Reader.
func (p *plainReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if err != nil && err != io.EOF {
		err = streamError(p.kind, err)
	}
	return n, err
}

// streamError tells an archive that cannot be decompressed from a file or a pipe that fails.
func streamError(kind compression.Kind, err error) error {
	switch {
	case kind == compression.None, errors.As(err, new(*fs.PathError)):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the compressed archive is cut off: %w", registry.ErrIntegrity)
	}
	return fmt.Errorf("the compressed archive is damaged: %v: %w", err, registry.ErrIntegrity)
}

// openArchive opens an archive to be read at any place: a plain tar where it is, others by way of memory, if they are small, or a temporary
// file. Of one that is only looked at, what describes images is held, and nothing else.
func (e *environment) openArchive(ctx context.Context, c *cli.Context, src source, closes *[]func() error) (*dockerarchive.Reader, error) {
	in, err := e.openInput(src, closes)
	if err != nil {
		return nil, err
	}
	if r, err := in.inPlace(); r != nil || err != nil {
		return r, err
	}
	s := &spooler{env: e, c: c, in: in, closes: closes}
	if src.looked {
		return s.skim(ctx)
	}
	pass, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	if r := pass.Whole(); r != nil {
		return r, nil
	}
	return s.spool(ctx, pass.Rest(), c.Command.Name+" goes back and forth in it")
}
