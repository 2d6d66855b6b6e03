package restore

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/terminal"
	"drayage/internal/unpack"
	"drayage/internal/verify"
)

// Image is an image of a docker tar.
type Image struct {
	Config []byte
	Layers []Layer
}

// ErrNoImage says that something is not the image of one platform whose layers can be unpacked.
var ErrNoImage = errors.New("not a container image for one platform")

// Describe returns what an image of a tar has for its manifest.
func Describe(ctx context.Context, im *image.Image) (Image, error) {
	doc := &im.RootNode().Document
	if image.IsIndex(doc.MediaType) || !doc.MayBeImage() {
		return Image{}, ErrNoImage
	}
	config, err := image.ReadAll(ctx, im.Source, *doc.Config, image.MaxConfigSize)
	if err != nil {
		return Image{}, err
	}
	judged := doc.Judge(config)
	if len(judged.DiffIDs) != len(doc.Layers) {
		return Image{}, ErrNoImage
	}
	of := Image{Config: config}
	for i, d := range doc.Layers {
		of.Layers = append(of.Layers, Layer{
			DiffID: judged.DiffIDs[i], Stored: d, Open: opener(im.Source, d),
			Raw: func(ctx context.Context) (io.ReadCloser, error) { return image.NewReader(ctx, im.Source, d), nil },
		})
	}
	return of, nil
}

// opener returns what opens the unpacked content of a layer.
func opener(src image.Source, d v1.Descriptor) func(context.Context) (io.ReadCloser, error) {
	return func(ctx context.Context) (io.ReadCloser, error) {
		stored := image.NewReader(ctx, src, d)
		plain, err := unpack.NewReader(ctx, stored, compression.Sources)
		if err != nil {
			stored.Close()
			return nil, unpack.Explain(err, stored)
		}
		return &content{Reader: plain, stored: stored}, nil
	}
}

// content is that of a layer.
type content struct {
	*unpack.Reader
	stored io.Closer
}

func (c *content) Close() error { return errors.Join(c.Reader.Close(), c.stored.Close()) }

// Original is an image with the manifest that it has in a registry.
type Original struct {
	Image    *image.Image // its layers are absent until they have been made
	Manifest Manifest
	Makers   map[digest.Digest]Maker // of layers that are made of those in the tar, by the digest of the blob

	layers map[digest.Digest]Layer // by the digest of the blob
}

// Restore gives an image a manifest. Its layers are left out at first: they may be at the destination.
func (of Image) Restore(ctx context.Context, m Manifest) (*Original, error) {
	root := image.Describe(m.MediaType, m.Raw)
	src := &image.MemorySource{Content: map[digest.Digest][]byte{
		root.Digest: m.Raw, digest.FromBytes(of.Config): of.Config,
	}}
	im, err := image.Open(ctx, src, root, image.Selection{All: true})
	if err != nil {
		return nil, err
	}
	doc := &im.RootNode().Document
	if doc.Config == nil || doc.Config.Digest != digest.FromBytes(of.Config) ||
		len(doc.Layers) != len(of.Layers) {
		return nil, verify.Mismatchf("manifest %s is not of an image with this configuration and %d layers",
			root.Digest, len(of.Layers))
	}
	o := &Original{Image: im, Manifest: m, layers: map[digest.Digest]Layer{}}
	for i, d := range doc.Layers {
		if _, known := o.layers[d.Digest]; known {
			continue
		}
		o.layers[d.Digest] = of.Layers[i]
		im.Absent = append(im.Absent, image.Absent{
			Part: image.PartLayer, Descriptor: d, Reason: image.LeftOut, DiffID: of.Layers[i].DiffID,
		})
	}
	return o, nil
}

// Make finds out how the layers of images are made that are lost: they are in no place that is known. Those
// that it finds are not absent any more, and leave lost.
func (f *Finder) Make(ctx context.Context, images []*Original, lost map[digest.Digest]bool) error {
	var wants []Want
	layers := map[digest.Digest]Layer{}
	for _, o := range images {
		for _, a := range o.Image.Absent {
			d := a.Descriptor
			if _, seen := layers[d.Digest]; lost[d.Digest] && !seen {
				layers[d.Digest] = o.layers[d.Digest]
				wants = append(wants, Want{layers[d.Digest], d})
			}
		}
	}
	found, err := f.Layers(ctx, wants)
	if err != nil {
		return err
	}
	made := Source{}
	for d, m := range found {
		made[d] = Made{layers[d], m}
		delete(lost, d)
	}
	for _, o := range images {
		o.Image.Fill(func(d v1.Descriptor) image.Source {
			m, ok := made[d.Digest]
			if !ok {
				return nil
			}
			put(&o.Makers, d.Digest, m.Maker)
			return made
		})
	}
	return nil
}

// Unmakable tells of lost layers in forms that no encoder makes: "3 layers are in zstd".
func Unmakable(images []*Original, lost map[digest.Digest]bool) (all []string) {
	forms := map[string]map[digest.Digest]bool{}
	for _, o := range images {
		for _, a := range o.Image.Absent {
			if form := WhyNot(a.Descriptor); form != "" && lost[a.Descriptor.Digest] {
				of := forms[form]
				put(&of, a.Descriptor.Digest, true)
				forms[form] = of
			}
		}
	}
	for _, form := range slices.Sorted(maps.Keys(forms)) {
		verb := " are "
		if len(forms[form]) == 1 {
			verb = " is "
		}
		all = append(all, terminal.Count(len(forms[form]), "layer")+verb+form)
	}
	return all
}

// Layers says where the layers of the image come from: "3 layers compressed as Go -6 does".
func (o *Original) Layers() (all []string) {
	count := map[string]int{}
	for d := range o.layers {
		how := "there already"
		if m, made := o.Makers[d]; made {
			how = m.how()
		}
		count[how]++
	}
	for _, how := range slices.Sorted(maps.Keys(count)) {
		all = append(all, terminal.Count(count[how], "layer")+" "+how)
	}
	return all
}
