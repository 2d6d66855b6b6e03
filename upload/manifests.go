package upload

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/internal/transfer"
	"drayage/registry"
)

// manifests stores the manifests of an image whose blobs are all there: those without children side by
// side, and what belongs to others later, because GitLab wants to know its subject, then the indexes in their
// order, and so the tag last.
func (p *pusher) manifests(ctx context.Context, im *Result) error {
	nodes, err := p.nodes(im)
	if err != nil {
		return err
	}
	stored := make([]v1.Descriptor, len(nodes))
	put := func(ctx context.Context, i int, replaced map[string]v1.Descriptor) error {
		tag := ""
		if i == len(nodes)-1 {
			tag = im.Target.Tag
		}
		done, err := p.turn(ctx, im.Target.Repository, nodes[i].Document.Subject)
		if err != nil {
			return err
		}
		defer done()
		d, err := p.put(ctx, im, &nodes[i], tag, replaced)
		if err != nil {
			return fmt.Errorf("manifest %s: %w%s", nodes[i].Descriptor.Digest, err, foreignHint(nodes[i], err))
		}
		stored[i] = d
		return nil
	}
	for _, belongs := range []bool{false, true} {
		eg, egctx := errgroup.WithContext(ctx)
		eg.SetLimit(transfer.DefaultJobs)
		for i, n := range nodes {
			if !image.IsIndex(n.Document.MediaType) && belongs == (n.Document.Subject != nil) {
				eg.Go(func() error { return put(egctx, i, nil) })
			}
		}
		if err := eg.Wait(); err != nil {
			return err
		}
	}
	replaced := map[string]v1.Descriptor{}
	for i, n := range nodes {
		if image.IsIndex(n.Document.MediaType) {
			if err := put(ctx, i, replaced); err != nil {
				return err
			}
		}
		if im.Descriptor = stored[i]; stored[i].Digest != n.Descriptor.Digest {
			replaced[n.Descriptor.Digest.String()] = stored[i]
			im.Converted = true
		}
	}
	return nil
}

// turn waits until no other manifest with the same subject is being stored in a repository. It returns the
// end of the turn. Some registries read and write their list of referrers without a lock, and lose one of two
// referrers that come at once.
func (p *pusher) turn(
	ctx context.Context, repo *registry.Repository, subject *v1.Descriptor,
) (done func(), err error) {
	if subject == nil {
		return func() {}, nil
	}
	k := key{repository: repo.Name(), blob: subject.Digest}
	p.mu.Lock()
	turn := p.turns[k]
	if turn == nil {
		turn = make(chan struct{}, 1)
		p.turns[k] = turn
	}
	p.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// nodes are the manifests to store: those of the layout, or the one that is made for a saved image.
func (p *pusher) nodes(im *Result) ([]image.Node, error) {
	if im.Target.Image != nil {
		return im.Target.Image.Manifests, nil
	}
	raw, mediaType, err := p.rebuild(im.Target)
	if err != nil {
		return nil, err
	}
	doc, err := image.ParseManifest(mediaType, raw)
	return []image.Node{{Descriptor: image.Describe(mediaType, raw), Raw: raw, Document: doc}}, err
}

// put stores one manifest. A registry that has lost what it said it had gets it again; one that does not take
// the media types gets the other family's. Both are tried once.
func (p *pusher) put(
	ctx context.Context, im *Result, n *image.Node, tag string, replaced map[string]v1.Descriptor,
) (v1.Descriptor, error) {
	repo, raw, mediaType := im.Target.Repository.Pusher(), n.Raw, n.Document.MediaType
	var err error
	if raw == nil { // it was not kept, because it can be read where the image is
		raw, err = image.ReadAll(ctx, im.Target.Image.Source, n.Descriptor, image.MaxManifestSize)
	}
	if err != nil {
		return v1.Descriptor{}, err
	}
	child, converted := changed(*n, replaced)
	if converted {
		if raw, mediaType, err = convert(raw, child.MediaType, replaced); err != nil {
			return v1.Descriptor{}, err
		}
	}
	d := image.Describe(mediaType, raw)
	err = repo.PutManifest(ctx, cmp.Or(tag, d.Digest.String()), mediaType, raw)
	if registry.IsBlobUnknown(err) {
		if rerr := p.resend(ctx, im, n); rerr != nil {
			return d, fmt.Errorf("%w; sending what is missing again: %w", err, rerr)
		}
		if im.Target.Saved != nil {
			d, raw, mediaType = n.Descriptor, n.Raw, n.Document.MediaType
		}
		err = repo.PutManifest(ctx, cmp.Or(tag, d.Digest.String()), mediaType, raw)
	}
	if !registry.IsManifestRefused(err) || converted || p.opts.KeepDigests {
		return d, err
	}
	other, otherType, cerr := convert(raw, otherFamily(mediaType), replaced)
	if cerr != nil {
		return d, err
	}
	od := image.Describe(otherType, other)
	if perr := repo.PutManifest(ctx, cmp.Or(tag, od.Digest.String()), otherType, other); perr != nil {
		return d, err // the first refusal is about what the user has
	}
	return od, nil
}

// changed returns what a child of an index has been converted to, if one has.
func changed(n image.Node, replaced map[string]v1.Descriptor) (v1.Descriptor, bool) {
	if len(replaced) == 0 {
		return v1.Descriptor{}, false
	}
	for _, c := range n.Document.Manifests {
		if d, ok := replaced[c.Digest.String()]; ok {
			return d, true
		}
	}
	return v1.Descriptor{}, false
}

// resend sends what a manifest refers to again, without asking the registry whether it has it. The manifest
// of a docker tar is made anew: a blob that was in the registry may have been of another make.
func (p *pusher) resend(ctx context.Context, im *Result, n *image.Node) error {
	if im.Target.Saved != nil {
		if err := p.resendSaved(ctx, im); err != nil {
			return err
		}
		nodes, err := p.nodes(im)
		if err == nil {
			*n = nodes[0]
		}
		return err
	}
	l, repo := im.Target.Image, im.Target.Repository.Pusher()
	lacks := map[digest.Digest]bool{}
	for _, a := range l.Absent {
		lacks[a.Descriptor.Digest] = true
	}
	for _, c := range n.Document.Children() {
		if lacks[c.Digest] {
			continue
		}
		if !image.IsManifest(c.MediaType) {
			if err := repo.Push(ctx, c, l.Source, registry.PushOptions{Always: true}); err != nil {
				return err
			}
			continue
		}
		raw, err := image.ReadAll(ctx, l.Source, c, image.MaxManifestSize)
		if err != nil {
			return err
		}
		if err := repo.ReplaceManifest(ctx, c.Digest.String(), c.MediaType, raw); err != nil {
			return err
		}
	}
	return nil
}

func (p *pusher) resendSaved(ctx context.Context, im *Result) error {
	s, repo := im.Target.Saved, im.Target.Repository
	for _, l := range s.Layers {
		kind, err := l.Compression()
		if err != nil {
			return err
		}
		again := layerPush{pusher: p, repo: repo, layer: &l, reported: func(int64) {}}
		d, err := again.pack(ctx, kind)
		if err != nil {
			return err
		}
		p.remember(l.DiffID, d, repo)
	}
	config := image.Describe(image.DockerConfig, s.Config)
	src := &image.MemorySource{Content: map[digest.Digest][]byte{config.Digest: s.Config}}
	return repo.Pusher().Push(ctx, config, src, registry.PushOptions{Always: true})
}

// rebuild makes the manifest of a saved image from what its layers have become.
func (p *pusher) rebuild(t Target) (raw []byte, mediaType string, err error) {
	s := t.Saved
	if err := s.Lacks(); err != nil {
		return nil, "", err
	}
	var layers []v1.Descriptor
	for _, l := range s.Layers {
		layers = append(layers, p.in(t.Repository, l.DiffID))
	}
	return SavedManifest(s.Config, layers)
}

// SavedManifest is the manifest that Push makes for an image of a docker tar: of its configuration, and of
// what its layers have become. The configuration keeps its bytes, and so the image its ID. Docker's media
// types are used, as docker push would, unless a layer needs OCI's: zstd, or no compression.
func SavedManifest(config []byte, layers []v1.Descriptor) (raw []byte, mediaType string, err error) {
	m := v1.Manifest{MediaType: image.DockerManifest, Layers: append([]v1.Descriptor{}, layers...)}
	m.SchemaVersion, m.Config = 2, image.Describe(image.DockerConfig, config)
	notDockers := func(d v1.Descriptor) bool { return d.MediaType != image.DockerLayer }
	if slices.ContainsFunc(layers, notDockers) {
		m.MediaType, m.Config.MediaType = v1.MediaTypeImageManifest, v1.MediaTypeImageConfig
		for i := range m.Layers {
			if m.Layers[i].MediaType == image.DockerLayer {
				m.Layers[i].MediaType = v1.MediaTypeImageLayerGzip
			}
		}
	}
	raw, err = json.MarshalIndent(m, "", "   ")
	return raw, m.MediaType, err
}

// foreignHint says why a registry may not have taken a manifest with foreign layers: as it is installed,
// distribution answers them with 400 or 500
// (https://distribution.github.io/distribution/about/configuration/#validation).
func foreignHint(n image.Node, err error) string {
	hasURLs := func(d v1.Descriptor) bool { return image.IsForeign(d.MediaType) && len(d.URLs) > 0 }
	if !errors.As(err, new(*registry.Error)) || !slices.ContainsFunc(n.Document.Layers, hasURLs) {
		return ""
	}
	return " (it names addresses of foreign layers: many registries take those " +
		"only if validation.manifests.urls.allow in their configuration matches them)"
}

// finish begins to store the manifests of an image, unless it has failed. Nobody else touches r from here on.
func (p *pusher) finish(ctx context.Context, r *Result, err error) {
	p.finishing.Go(func() error {
		if r.Err = err; err == nil {
			r.Err = p.manifests(ctx, r)
		}
		p.finished(ctx, r)
		return nil
	})
}

// finished tells of a target that is finished. What failed after the end of ctx failed because of that.
func (p *pusher) finished(ctx context.Context, r *Result) {
	if p.opts.Finished == nil || r.Err != nil && ctx.Err() != nil {
		return
	}
	p.telling.Lock()
	defer p.telling.Unlock()
	p.opts.Finished(*r)
}
