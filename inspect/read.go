package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/verify"
	"drayage/registry"
)

const (
	parallelReads = 8  // manifests or configurations that are read at once
	smallConfig   = 64 // bytes; a configuration up to this size is read, because it may be one of an artifact
)

// Options say how closely an image is looked at. The zero value reads the manifests of all platforms.
type Options struct {
	Platforms []v1.Platform // only these; none means all
	Configs   bool          // read the configurations of all platforms; that of a single one is always read
}

// Read describes the image that root stands for. It reads indexes, manifests and configurations from src, but
// no layers and no attestations. If Options has Platforms, it reads only their manifests. It leaves Names
// empty.
func Read(ctx context.Context, src image.Source, root v1.Descriptor, opts Options) (*Image, error) {
	o, err := image.LoadOutline(ctx, src, root)
	if err != nil {
		return nil, err
	}
	im := &Image{Kind: Index, MediaType: o.Root.Document.MediaType, Digest: root.Digest, Size: root.Size}
	leaves := im.sort(o.Leaves)
	if len(opts.Platforms) > 0 {
		if leaves, err = o.Pick(ctx, image.Selection{Platforms: opts.Platforms}); err != nil {
			return nil, err
		}
	}
	r := reader{
		outline:  o,
		root:     root.Digest,
		configs:  opts.Configs || len(leaves) == 1,
		required: len(opts.Platforms) > 0,
	}
	if im.Platforms, err = r.platforms(ctx, leaves); err != nil {
		return nil, err
	}
	if !o.IsIndex() {
		im.Kind = Manifest
		if im.Platforms[0].ID == "" {
			im.Kind = Artifact
		}
	}
	im.Layers, im.LayerBytes = Total([]*Image{im})
	return im, nil
}

// sort puts attestations aside and returns the other leaves.
func (im *Image) sort(leaves []image.Leaf) []image.Leaf {
	var rest []image.Leaf
	for _, l := range leaves {
		if l.IsAttestation() {
			im.Attestations = append(im.Attestations, Attestation{Digest: l.Descriptor.Digest, For: l.Attested()})
		} else {
			rest = append(rest, l)
		}
	}
	return rest
}

// Total counts the different layers of images and their bytes.
func Total(images []*Image) (layers int, bytes int64) {
	seen := map[digest.Digest]bool{}
	for _, im := range images {
		for _, p := range im.Platforms {
			n, size := distinct(p.Layers, seen)
			layers += n
			bytes = verify.AddSize(bytes, size)
		}
	}
	return layers, bytes
}

// LeaveOut notes which layers are not in a thin archive.
func (im *Image) LeaveOut(absent []image.Absent) {
	left, patches := map[digest.Digest]bool{}, map[digest.Digest]*Patch{}
	for _, a := range absent {
		left[a.Descriptor.Digest] = a.Reason == image.LeftOut
		if how := a.Rebuilt; how != nil {
			p := &Patch{Size: how.Size(), Model: how.Model, Content: how.Content}
			for _, b := range how.Bases {
				p.Bases = append(p.Bases, b.Digest)
			}
			patches[a.Descriptor.Digest] = p
		}
	}
	for i := range im.Platforms {
		for j := range im.Platforms[i].Layers {
			l := &im.Platforms[i].Layers[j]
			l.Absent, l.Patch = left[l.Digest], patches[l.Digest]
		}
	}
}

// LeftOut counts the different layers of images that are absent, and their bytes. Those of a docker tar do
// not count: nothing tells their size, nor why they are absent. Nor do those that have patches.
func LeftOut(images []*Image) (layers int, bytes int64) {
	return count(images, func(l Layer) bool { return l.Absent && l.Digest != "" && l.Patch == nil })
}

// Patched counts the different layers of images that are patches, their bytes, and those of the patches.
func Patched(images []*Image) (layers int, bytes, patches int64) {
	seen := map[digest.Digest]bool{}
	layers, bytes = count(images, func(l Layer) bool {
		if l.Patch != nil && !seen[l.Digest] {
			seen[l.Digest] = true
			patches = verify.AddSize(patches, l.Patch.Size)
		}
		return l.Patch != nil
	})
	return layers, bytes, patches
}

// count counts the different layers that something is true of, and their bytes.
func count(images []*Image, is func(Layer) bool) (layers int, bytes int64) {
	seen := map[digest.Digest]bool{}
	for _, im := range images {
		for _, p := range im.Platforms {
			absent := slices.DeleteFunc(slices.Clone(p.Layers), func(l Layer) bool { return !is(l) })
			n, size := distinct(absent, seen)
			layers += n
			bytes = verify.AddSize(bytes, size)
		}
	}
	return layers, bytes
}

// distinct counts the layers that have not been seen.
func distinct(layers []Layer, seen map[digest.Digest]bool) (n int, bytes int64) {
	for _, l := range layers {
		if key := cmp.Or(l.Digest, l.DiffID); !seen[key] {
			seen[key] = true
			n++
			bytes = verify.AddSize(bytes, l.Size)
		}
	}
	return n, bytes
}

type reader struct {
	outline  *image.Outline
	root     digest.Digest
	configs  bool
	required bool // a manifest that is not there is an error
}

func (r *reader) platforms(ctx context.Context, leaves []image.Leaf) ([]Platform, error) {
	all := make([]Platform, len(leaves))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(parallelReads)
	for i, l := range leaves {
		eg.Go(func() (err error) {
			all[i], err = r.platform(ctx, l)
			return err
		})
	}
	return all, eg.Wait()
}

func (r *reader) platform(ctx context.Context, l image.Leaf) (Platform, error) {
	p := Platform{Digest: l.Descriptor.Digest, MediaType: l.Descriptor.MediaType, Size: l.Descriptor.Size}
	p.place(l.Platform)
	n, err := r.outline.Manifest(ctx, l.Descriptor)
	if !r.required && (errors.Is(err, registry.ErrNotFound) || errors.Is(err, fs.ErrNotExist)) {
		p.Missing = true
		return p, nil
	}
	if err != nil {
		return p, err
	}
	p.Annotations = n.Document.Annotations
	for _, d := range n.Document.Layers {
		p.Layers = append(p.Layers, Layer{Digest: d.Digest, MediaType: d.MediaType, Size: d.Size})
	}
	_, p.LayerBytes = distinct(p.Layers, map[digest.Digest]bool{})
	var config []byte
	if n.Document.MayBeImage() && (r.configs || p.Platform == "" || n.Document.Config.Size <= smallConfig) {
		if config, err = r.outline.Config(ctx, n); err != nil {
			return p, err
		}
	}
	judged := n.Document.Judge(config)
	if judged.Kind == image.Artifact {
		p.ArtifactType = n.Document.About()
		return p, nil
	}
	p.Sealed = judged.Why
	p.ID = n.Document.Config.Digest
	p.DockerID = &DockerID{GraphDriver: p.ID, Containerd: r.root}
	if r.configs || p.Platform == "" {
		p.configure(config, judged.Config, judged.DiffIDs)
	}
	return p, nil
}

// place notes the platform of p, unless p has one.
func (p *Platform) place(of v1.Platform) {
	if p.Platform == "" && of.OS != "" {
		p.OSVersion, of.OSVersion, p.OSFeatures = of.OSVersion, "", of.OSFeatures
		p.Platform = image.FormatPlatform(of)
	}
}

// Saved describes an image of a docker tar. Sizes are those of the stored layers, which mostly are not
// compressed. Digests of compressed layers are empty, because Saved does not read layers.
func Saved(s dockerarchive.SavedImage) (*Image, error) {
	p := Platform{ID: s.ID, DockerID: &DockerID{GraphDriver: s.ID}}
	layers := s.Layers
	for _, id := range s.DiffIDs() {
		if len(layers) == 0 || layers[0].DiffID != id {
			p.Layers = append(p.Layers, Layer{DiffID: id, MediaType: v1.MediaTypeImageLayer, Absent: true})
			continue
		}
		add, err := savedLayer(layers[0])
		if err != nil {
			return nil, err
		}
		p.Layers, layers = append(p.Layers, add), layers[1:]
	}
	_, p.LayerBytes = distinct(p.Layers, map[digest.Digest]bool{})
	c, err := image.ParseConfig(s.Config)
	if err != nil {
		return nil, err
	}
	p.configure(s.Config, c, nil)
	im := &Image{Names: append([]string{}, s.Names...), Kind: SavedTar, Platforms: []Platform{p}}
	im.Layers, im.LayerBytes = Total([]*Image{im})
	return im, nil
}

func savedLayer(l dockerarchive.SavedLayer) (Layer, error) {
	kind, err := l.Compression()
	add := Layer{DiffID: l.DiffID, MediaType: v1.MediaTypeImageLayer, Size: l.Size()}
	if kind == compression.None {
		add.Digest = l.DiffID
	} else {
		add.MediaType += "+" + kind
	}
	return add, err
}

// ReadReferrers asks a registry for the referrers of im: of what its name stands for and of its Platforms. It
// does not list referrers of referrers.
func (im *Image) ReadReferrers(ctx context.Context, repo *registry.Repository) error {
	subjects := im.Subjects()
	found := make([][]Referrer, len(subjects))
	eg, egctx := errgroup.WithContext(ctx)
	eg.SetLimit(parallelReads)
	for i, d := range subjects {
		eg.Go(func() (err error) {
			found[i], err = referrersOf(egctx, repo, d)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return fmt.Errorf("referrers: %w", err)
	}
	im.Referrers = append(im.Referrers, slices.Concat(found...)...)
	return nil
}

// Subjects are the digests that may have referrers: of what the name stands for, and of the platforms'
// manifests.
func (im *Image) Subjects() []digest.Digest {
	all := []digest.Digest{im.Digest}
	seen := map[digest.Digest]bool{im.Digest: true}
	for _, p := range im.Platforms {
		if !seen[p.Digest] {
			seen[p.Digest] = true
			all = append(all, p.Digest)
		}
	}
	return all
}

func referrersOf(ctx context.Context, repo *registry.Repository, subject digest.Digest) ([]Referrer, error) {
	var all []Referrer
	listed, err := repo.Referrers(ctx, subject)
	if err != nil {
		return nil, err
	}
	for _, d := range listed {
		all = append(all, Referrer{Digest: d.Digest, ArtifactType: d.ArtifactType, Subject: subject})
	}
	for _, tag := range registry.CosignTags(subject) {
		d, err := repo.Digest(ctx, tag)
		if err != nil {
			return nil, err
		}
		if d != "" {
			all = append(all, Referrer{Digest: d, Tag: tag, Subject: subject})
		}
	}
	return all, nil
}
