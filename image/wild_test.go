package image_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// counted is a source that counts what is read from it.
type counted struct {
	blobs map[digest.Digest][]byte
	reads atomic.Int64
}

func (c *counted) Open(_ context.Context, d v1.Descriptor, off, _ int64) (io.ReadCloser, error) {
	c.reads.Add(1)
	return io.NopCloser(bytes.NewReader(c.blobs[d.Digest][off:])), nil
}

// Wild case 36: indexes that list very many manifests are bounded together and not one by one. What lies
// behind the bound is not read.
func TestWild36EntriesOfIndexes(t *testing.T) {
	src := &counted{blobs: map[digest.Digest][]byte{}}
	entry := func(i int) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":"sha256:%064x","size":9}`, v1.MediaTypeImageLayer, i)
	}
	var roots []v1.Descriptor
	for i := range 50 {
		entries := strings.Join([]string{entry(i), entry(i + 1), entry(i + 2), entry(i + 3)}, ",")
		raw := []byte(`{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageIndex + `","manifests":[` + entries + `]}`)
		d := image.Describe(v1.MediaTypeImageIndex, raw)
		src.blobs[d.Digest] = raw
		roots = append(roots, d)
	}
	tree := image.NewTree(src, image.Policy{Tolerant: true, MaxManifests: 60})
	if err := tree.Read(t.Context(), roots...); err != nil {
		t.Fatal(err)
	}
	held := 0
	for _, d := range roots {
		n := tree.Node(d)
		held += len(n.Document.Manifests)
		refused := n.Err != nil
		if refused != (len(n.Document.Manifests) == 0) || refused && !errors.Is(n.Err, image.ErrTooMany) {
			t.Errorf("%d entries, error %v", len(n.Document.Manifests), n.Err)
		}
	}
	if held != 60 || src.reads.Load() > 30 {
		t.Errorf("%d entries are held, %d indexes read", held, src.reads.Load())
	}
}
