package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"drayage/dockerarchive"
	"drayage/internal/compression"
	"drayage/internal/verify"
)

// input is an archive as it comes.
type input struct {
	name   string      // what messages call it
	at     io.ReaderAt // reads at any place; nil for a stream
	size   int64       // of what at reads
	stream io.Reader   // where at is nil
	kind   string
}

// fromFile returns a file, from the place that it has been read to, or a stream, as an input.
func fromFile(f *os.File, name string) (*input, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if fi.IsDir() {
		return nil, fmt.Errorf("%w: it is a directory without oci-layout", dockerarchive.ErrNotImage)
	}
	if !fi.Mode().IsRegular() {
		return fromStream(f, name), nil
	}
	offset, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	size := max(fi.Size()-offset, 0)
	return fromReaderAt(io.NewSectionReader(f, offset, size), size, name)
}

// fromStream returns a stream as an input.
func fromStream(r io.Reader, name string) *input {
	return &input{name: name, stream: r, kind: compression.None}
}

// fromReaderAt returns what can be read at any place as an input.
func fromReaderAt(at io.ReaderAt, size int64, name string) (*input, error) {
	prefix := make([]byte, compression.PeekSize)
	n, err := at.ReadAt(prefix, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return &input{name: name, at: at, size: size, kind: compression.Detect(prefix[:n])}, nil
}

// inPlace reports whether the archive can be read where it is.
func (in *input) inPlace() bool { return in.at != nil && in.kind == compression.None }

// String is what messages call the archive.
func (in *input) String() string {
	if in.kind == compression.None {
		return in.name
	}
	return fmt.Sprintf("%s (%s)", in.name, in.kind)
}

// plainReader explains the errors of a compressed stream.
type plainReader struct {
	r    io.Reader
	kind string
}

func (p *plainReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if err != nil && err != io.EOF {
		err = streamError(p.kind, err)
	}
	return n, err
}

// streamError tells an archive that cannot be decompressed from a file or a pipe that fails.
func streamError(kind string, err error) error {
	switch {
	case kind == compression.None, errors.As(err, new(*fs.PathError)):
		return err
	case errors.Is(err, compression.ErrMemory):
		return fmt.Errorf("the compressed archive cannot be read: %w", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return verify.Mismatchf("the compressed archive is cut off")
	}
	return verify.Mismatchf("the compressed archive is damaged: %v", err)
}
