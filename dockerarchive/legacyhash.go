package dockerarchive

import (
	"context"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"drayage/internal/compression"
	"drayage/internal/transfer"
)

// maxHashing bounds the layers that are read at once: decompressing one may take 128 MiB.
const maxHashing = 4

// hash reads all layers, because nothing in the archive says what they must hash to. What several share is read once.
func (l *legacy) hash(ctx context.Context) error {
	shared := map[span]func() (digest.Digest, error){} // by place in the archive
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(min(maxHashing, runtime.GOMAXPROCS(0)))
	for _, dir := range slices.Sorted(maps.Keys(l.layers)) {
		layer := l.layers[dir]
		content := layer.content
		if shared[content.span] == nil {
			shared[content.span] = sync.OnceValues(func() (digest.Digest, error) { return diffIDOf(ctx, content) })
		}
		once := shared[content.span]
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
func diffIDOf(ctx context.Context, s *stored) (digest.Digest, error) {
	if stored, err := (SavedLayer{content: s}).Compression(); err == nil && stored == compression.None {
		if d, ok := s.sumOf(); ok {
			return d, nil
		}
	}
	plain, kind, err := compression.NewReader(transfer.WithContext(ctx, s.open()))
	if err == nil {
		defer plain.Close()
		h := digest.SHA256.Hash()
		if _, err = io.CopyBuffer(h, plain, make([]byte, chunkSize)); err == nil {
			return digest.NewDigest(digest.SHA256, h), nil
		}
	}
	if ctx.Err() != nil || kind == compression.None {
		return "", err
	}
	return "", fmt.Errorf("it cannot be decompressed (%s): %v: %w", kind, err, ErrIntegrity)
}
