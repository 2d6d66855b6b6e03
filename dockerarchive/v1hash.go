package dockerarchive

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"drayage/internal/compression"
	"drayage/internal/tarfs"
	"drayage/internal/unpack"
)

// maxHashing bounds the layers that are read at once: decompressing one may take 128 MiB.
const maxHashing = 4

// hash reads all layers, because nothing in the archive says what they must hash to. What several share is
// read once.
func (v *v1Archive) hash(ctx context.Context) error {
	shared := map[tarfs.Entry]func() (digest.Digest, error){} // by place in the archive
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(min(maxHashing, runtime.GOMAXPROCS(0)))
	for _, dir := range slices.Sorted(maps.Keys(v.layers)) {
		layer := v.layers[dir]
		content := layer.content
		place := content.Entry()
		if shared[place] == nil {
			shared[place] = sync.OnceValues(func() (digest.Digest, error) { return diffIDOf(ctx, content) })
		}
		once := shared[place]
		g.Go(func() (err error) {
			if layer.diffID, err = once(); err != nil {
				return fmt.Errorf("layer %q: %w", dir, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// diffIDOf hashes the uncompressed content of a layer.
func diffIDOf(ctx context.Context, f *tarfs.File) (digest.Digest, error) {
	if stored, err := (SavedLayer{content: f}).Compression(); err == nil && stored == compression.None {
		if sum, ok := f.SHA256(); ok {
			return digest.NewDigestFromBytes(digest.SHA256, sum[:]), nil
		}
	}
	layer, err := unpack.Sum(ctx, f.Open(), digest.SHA256, nil)
	return layer.DiffID, err
}
