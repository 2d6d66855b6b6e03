package source

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/opencontainers/go-digest"

	"drayage/internal/transfer"
)

// OpenFile opens an archive in a regular file from its beginning, which messages call name. The caller closes
// the set, and the file after it.
func OpenFile(ctx context.Context, f *os.File, name string, opts Options) (*Set, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	in, err := fromFile(f, name)
	if err != nil {
		return nil, err
	}
	return openInput(ctx, in, name, opts)
}

// OpenAt opens an archive of size bytes that can be read at any place, which messages call name. The caller
// closes the set.
func OpenAt(ctx context.Context, at io.ReaderAt, size int64, name string, opts Options) (*Set, error) {
	in, err := fromReaderAt(at, size, name)
	if err != nil {
		return nil, err
	}
	return openInput(ctx, in, name, opts)
}

// OpenStream opens an archive that comes as a stream.
func OpenStream(ctx context.Context, r io.Reader, name string, opts Options) (*Set, error) {
	return openInput(ctx, fromStream(r, name), name, opts)
}

func openInput(ctx context.Context, in *input, name string, opts Options) (*Set, error) {
	set := &Set{Spec: Spec{Text: name, Kind: Archive, Path: name}, in: in}
	if err := set.openArchive(ctx, in, opts); err != nil {
		set.Close()
		return nil, err
	}
	return set, nil
}

// Again opens what the set holds with other options, without reading a stream once more. The set that it
// returns is closed before this one.
func (s *Set) Again(ctx context.Context, opts Options) (*Set, error) {
	if s.Archive == nil {
		return s.Spec.Open(ctx, opts)
	}
	again := &Set{Spec: s.Spec, in: s.in}
	return again, again.read(ctx, s.Archive, opts)
}

// summing counts and hashes what is read.
type summing struct {
	r    io.Reader
	hash hash.Hash
	size int64
}

func newSumming(r io.Reader) *summing { return &summing{r: r, hash: sha256.New()} }

// Read implements io.Reader.
func (s *summing) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.hash.Write(p[:n])
	s.size += int64(n)
	return n, err
}

// Sum returns the size and the SHA-256 of the archive as it is stored. A file is read once more for that, and
// of a stream the rest. The set has been opened with Options.Sum.
func (s *Set) Sum(ctx context.Context) (size int64, sum digest.Digest, err error) {
	all := s.in.stream
	if s.in.at != nil {
		all = newSumming(io.NewSectionReader(s.in.at, 0, s.in.size))
	}
	summed, ok := all.(*summing)
	if !ok {
		return 0, "", fmt.Errorf("%s was read without counting", s.in)
	}
	rest := struct{ io.Writer }{io.Discard} // which alone would read in small pieces
	if _, err := io.CopyBuffer(rest, transfer.WithContext(ctx, summed), make([]byte, 1<<20)); err != nil {
		return 0, "", err
	}
	return summed.size, digest.NewDigest(digest.SHA256, summed.hash), nil
}
