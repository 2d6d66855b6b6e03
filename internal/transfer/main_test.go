package transfer_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// blob makes n bytes that do not repeat, the same ones each time, and their descriptor.
func blob(n int) ([]byte, v1.Descriptor) {
	content := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(content)
	return content, describe(content)
}

func describe(content []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromBytes(content), Size: int64(len(content))}
}

// file is a transfer.File in memory that grows as it is written.
type file struct{ data []byte }

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(f.data).ReadAt(p, off)
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if grow := int(off) + len(p) - len(f.data); grow > 0 {
		f.data = append(f.data, make([]byte, grow)...)
	}
	return copy(f.data[off:], p), nil
}
