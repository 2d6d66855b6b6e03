package fetch

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/registry"
)

// maxKept is how many bytes of configurations are kept of images that are resolved together. A configuration
// has a few kilobytes. What is beyond that is read again where it is needed again.
const maxKept = 32 << 20

// configs keeps configurations that were read to find out about images, so that none moves twice: several
// tags may have the same one, and an archive needs it for its table of contents before it takes the blob.
type configs struct {
	held image.Source // where they may be already; or nil

	mu    sync.Mutex
	known map[digest.Digest]*config
	left  int64 // bytes that may still be kept
}

// config is locked while it is read.
type config struct {
	sync.Mutex
	raw []byte // nil: not kept
}

func newConfigs(held *Held) *configs {
	c := &configs{known: map[digest.Digest]*config{}, left: maxKept}
	if held != nil {
		c.held = held.src
	}
	return c
}

// full ends the keeping: from now on blobs move to where they stay.
func (c *configs) full() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = 0
}

// of is repo as a source that knows the configurations.
func (c *configs) of(repo *registry.Repository) image.Source { return &knowing{repo, c} }

// knowing is a repository whose configurations are kept.
type knowing struct {
	*registry.Repository
	configs *configs
}

// Open implements image.Source.
func (k *knowing) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	if !image.IsConfig(d.MediaType) {
		return k.Repository.Open(ctx, d, offset, length)
	}
	raw := k.configs.raw(ctx, k.Repository, d, offset == 0 && length == image.ToEnd)
	if raw == nil {
		return k.Repository.Open(ctx, d, offset, length)
	}
	return io.NopCloser(image.Section(bytes.NewReader(raw), int64(len(raw)), offset, length)), nil
}

// InMemory is for [image.InMemory].
func (k *knowing) InMemory(d v1.Descriptor) bool {
	k.configs.mu.Lock()
	one := k.configs.known[d.Digest]
	k.configs.mu.Unlock()
	if one == nil {
		return false
	}
	one.Lock()
	defer one.Unlock()
	return one.raw != nil
}

// raw returns a configuration if it is kept or held, or can be kept, or else nil.
func (c *configs) raw(ctx context.Context, repo image.Source, d v1.Descriptor, whole bool) []byte {
	c.mu.Lock()
	one, room := c.known[d.Digest], whole && d.Size > 0 && d.Size <= c.left
	if one == nil && room {
		one = &config{}
		c.known[d.Digest] = one
	}
	c.mu.Unlock()
	if one == nil {
		return nil
	}
	one.Lock()
	defer one.Unlock()
	if int64(len(one.raw)) == d.Size && one.raw != nil {
		return one.raw
	}
	if !room || one.raw != nil {
		return nil
	}
	if c.held != nil {
		if raw, err := image.ReadAll(ctx, c.held, d, image.MaxConfigSize); err == nil {
			return raw
		}
	}
	raw, err := image.ReadAll(ctx, repo, d, image.MaxConfigSize)
	if err != nil {
		return nil // who opens it finds out
	}
	one.raw = raw
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left -= d.Size
	return raw
}
