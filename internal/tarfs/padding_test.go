package tarfs_test

import (
	"archive/tar"
	"bytes"
	"io"
	"testing"

	"drayage/internal/limits"
	"drayage/internal/tarfs"
)

// sparse is a file that begins with bytes and goes on with zeros.
type sparse struct {
	head []byte
	size int64
	read int64
}

func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	n := copy(p, make([]byte, max(0, min(int64(len(p)), s.size-off))))
	if off < int64(len(s.head)) {
		copy(p[:n], s.head[off:])
	}
	s.read += int64(n)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// A file that promises terabytes of zeros behind a tar takes no hours.
func TestZerosBehindTheEnd(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "x", Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, head := range map[string][]byte{"a tar": b.Bytes(), "nothing": nil} {
		s := &sparse{head: head, size: 15 << 40}
		_, err := tarfs.New(s, s.size)
		if s.read > limits.TarPadding+1<<20 || head != nil && err != nil {
			t.Errorf("%s: %d bytes read, %v", name, s.read, err)
		}
	}
}
