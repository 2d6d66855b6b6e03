package upload

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/limits"
	"drayage/internal/neighbours"
	"drayage/registry"
)

const (
	// minAsked is how many bytes of layers have to be in question before a registry is asked: to compress and
	// send less takes no longer than to ask.
	minAsked = 1 << 20
	// askedPatience bounds the wait for all answers about one repository. The push goes on without them.
	askedPatience = 10 * time.Second
	// maxClaims is how many blobs are tried for one layer.
	maxClaims = 4
)

// layerTypes are the media types of layers in the forms that are pushed.
var layerTypes = map[string]string{
	compression.None: v1.MediaTypeImageLayer,
	compression.Gzip: image.DockerLayer,
	compression.Zstd: v1.MediaTypeImageLayerZstd,
}

// claims is what is said in a registry of the layers that go into one repository.
type claims struct {
	done  chan struct{}             // closed when the answers are there
	about map[digest.Digest][]claim // by diff ID, the most likely first
}

// claimed returns what the repository and the bases say of a layer. The first call asks them. It returns
// nothing if they cannot be asked, or not soon enough.
func (p *pusher) claimed(ctx context.Context, repo *registry.Repository, layer digest.Digest) []claim {
	p.mu.Lock()
	c, began := p.asked[repo.Name()]
	if !began {
		c = &claims{make(chan struct{}), map[digest.Digest][]claim{}}
		p.asked[repo.Name()] = c
	}
	p.mu.Unlock()
	if !began {
		askCtx, cancel := context.WithTimeout(registry.Impatient(ctx), askedPatience)
		defer cancel()
		p.ask(askCtx, repo, c, layer)
		close(c.done)
	}
	select {
	case <-c.done:
		return c.about[layer]
	case <-ctx.Done():
		return nil
	}
}

// ask looks for layers in the repository, and then in the bases. about is a layer that is not known there.
func (p *pusher) ask(ctx context.Context, repo *registry.Repository, c *claims, about digest.Digest) {
	images := p.saved[repo.Name()]
	wanted := images.layers()
	unknown := func() bool {
		left := int64(0)
		for id, size := range wanted {
			if c.about[id] == nil && (id == about || !p.remembered(repo, id)) {
				left += size
			}
		}
		return left >= minAsked || p.opts.Stream != nil && len(c.about) < len(wanted)
	}
	tags, platforms := images.tags(), images.platforms()
	places := []asked{{repo, tags}}
	for _, b := range p.basesOf(repo) {
		at := asked{b.Repository, tags}
		if b.Tag != "" {
			at.tags = []string{b.Tag}
		}
		places = append(places, at)
	}
	for _, at := range places {
		if p.hasRefused(repo) || !unknown() {
			return
		}
		q := &inquiry{repo: at.repo, wanted: wanted, platforms: platforms, seen: map[digest.Digest]bool{}}
		err := c.askAt(ctx, q, at.tags, unknown)
		if err != nil && !errors.Is(err, registry.ErrDenied) && !errors.Is(err, errEnough) {
			p.refuses(repo)
		}
	}
}

// refuses notes that a registry fails at questions, or takes too long over them. No other repository of it is
// asked then: each would cost the same patience.
func (p *pusher) refuses(repo *registry.Repository) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused[repo.Root()] = true
}

func (p *pusher) hasRefused(repo *registry.Repository) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused[repo.Root()]
}

// asked is a repository, and the tags that are looked at first.
type asked struct {
	repo *registry.Repository
	tags []string
}

// askAt looks at the images under some tags, and at those next to them if that is not enough.
func (c *claims) askAt(ctx context.Context, q *inquiry, tags []string, unknown func() bool) error {
	found, err := q.images(ctx, tags)
	if c.take(found); err != nil || !unknown() {
		return err
	}
	names, err := q.repo.Tags(ctx) // those that came before the list broke off are as good as others
	if errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	found, ierr := q.images(ctx, neighbours.Tags(names, append(tags, "latest")[0]))
	c.take(found)
	return cmp.Or(err, ierr)
}

// take enters claims behind those that are known.
func (c *claims) take(found []claim) {
	for _, f := range found {
		known := c.about[f.layer]
		again := slices.ContainsFunc(known, func(k claim) bool { return k.blob.Digest == f.blob.Digest })
		if !again && len(known) < maxClaims {
			c.about[f.layer] = append(known, f)
		}
	}
}

// savedImages are the images of docker tars that go into one repository.
type savedImages []Target

// layers are the sizes of all layers, by diff ID.
func (s savedImages) layers() map[digest.Digest]int64 {
	all := map[digest.Digest]int64{}
	for _, t := range s {
		for _, l := range t.Saved.Layers {
			all[l.DiffID] = l.Size()
		}
	}
	return all
}

// tags are the first tags that are pushed.
func (s savedImages) tags() (all []string) {
	for _, t := range s {
		if t.Tag != "" && len(all) < limits.AskedTags {
			all = append(all, t.Tag)
		}
	}
	return all
}

// platforms are the different platforms of the images, the first few of them.
func (s savedImages) platforms() (all []v1.Platform) {
	for _, t := range s[:min(len(s), limits.AskedTags)] {
		config, err := image.ParseConfig(t.Saved.Config)
		same := func(p v1.Platform) bool { return image.FormatPlatform(p) == image.FormatPlatform(config.Platform) }
		if err == nil && !slices.ContainsFunc(all, same) {
			all = append(all, config.Platform)
		}
	}
	return all
}
