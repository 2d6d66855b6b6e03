package dockerarchive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// Image is an image to write.
type Image struct {
	Manifest v1.Descriptor // of one image, not of an index
	Names    []string      // full names with tags, such as docker.io/library/alpine:3.20; may be none
	Source   image.Source  // gives out the manifest, the configuration and the layers
}

// contents is what the images of one archive consist of, each thing once.
type contents struct {
	images []*picture
	layers []*layer // in the order in which they are first used
}

// picture is an image as the archive shows it.
type picture struct {
	config  []byte
	id      digest.Digest // of config: the image ID
	created time.Time
	diffIDs []digest.Digest
	names   []string
	named   map[string]bool // the same names
	v1      []v1Layer
}

// layer is one file system layer, however many images use it.
type layer struct {
	diffID digest.Digest
	blob   v1.Descriptor
	source image.Source
	image  digest.Digest // the first image that uses it, for messages

	size int64 // uncompressed; -1 until it is known or guessed
	late bool  // its size cannot be told from the end of the blob: it is written after the others
}

// load reads manifests and configurations. An image that is named twice gets both names.
func load(ctx context.Context, images []Image) (*contents, error) {
	c := &contents{}
	known := map[digest.Digest]*picture{}
	layers := map[digest.Digest]bool{}
	for _, im := range images {
		doc, config, err := read(ctx, im)
		if err != nil {
			return nil, err
		}
		id := doc.Config.Digest
		if p := known[id]; p != nil {
			p.name(im.Names)
			continue
		}
		p, err := newPicture(id, config, len(doc.Layers))
		if err != nil {
			return nil, err
		}
		p.name(im.Names)
		known[id] = p
		c.images = append(c.images, p)
		for i, diffID := range p.diffIDs {
			if !layers[diffID] {
				layers[diffID] = true
				c.layers = append(c.layers, &layer{diffID: diffID, blob: doc.Layers[i], source: im.Source, image: id, size: -1})
			}
		}
	}
	return c, checkNames(c.images)
}

func read(ctx context.Context, im Image) (image.Document, []byte, error) {
	var none image.Document
	raw, err := image.ReadAll(ctx, im.Source, im.Manifest, image.MaxManifestSize)
	if err != nil {
		return none, nil, err
	}
	doc, err := image.ParseManifest(im.Manifest.MediaType, raw)
	if err != nil {
		return none, nil, fmt.Errorf("%s: %w", im.Manifest.Digest, err)
	}
	var config []byte
	if doc.MayBeImage() {
		if config, err = image.ReadAll(ctx, im.Source, *doc.Config, image.MaxConfigSize); err != nil {
			return none, nil, err
		}
	}
	switch j := doc.Judge(config); j.Kind {
	case image.Artifact:
		return none, nil, fmt.Errorf("%s is not a container image (%s): only --format oci could carry it: %w",
			im.Manifest.Digest, kindOf(doc), image.ErrUnsupported)
	case image.Sealed:
		return none, nil, fmt.Errorf("%s cannot be unpacked (%s): only --format oci could carry it: %w",
			im.Manifest.Digest, j.Why, image.ErrUnsupported)
	}
	return doc, config, nil
}

func kindOf(doc image.Document) string {
	if doc.Config == nil {
		return doc.MediaType
	}
	return doc.Config.MediaType
}

func newPicture(id digest.Digest, config []byte, layers int) (*picture, error) {
	parsed, err := image.ParseConfig(config)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", id, err)
	}
	p := &picture{config: config, id: id, diffIDs: parsed.RootFS.DiffIDs, created: time.Unix(0, 0), named: map[string]bool{}}
	if parsed.Created != nil && parsed.Created.After(p.created) {
		p.created = parsed.Created.Truncate(time.Second)
	}
	if len(p.diffIDs) != layers {
		return nil, fmt.Errorf("image %s: %d layers but %d diff IDs: %w", id, layers, len(p.diffIDs), image.ErrUnsupported)
	}
	if p.v1, err = v1Layers(config, p.diffIDs); err != nil {
		return nil, fmt.Errorf("image %s: %w", id, err)
	}
	return p, nil
}

// appendNew is for few names: it compares each with all.
func appendNew(names, more []string) []string {
	for _, n := range more {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// name adds the names that p does not have yet.
func (p *picture) name(names []string) {
	for _, n := range names {
		if !p.named[n] {
			p.named[n] = true
			p.names = append(p.names, n)
		}
	}
}

// checkNames refuses an archive in which one name would mean two images: docker load gives it to
// whichever comes last.
func checkNames(images []*picture) error {
	owner := map[string]digest.Digest{}
	for _, p := range images {
		for _, n := range p.names {
			if _, _, err := splitName(n); err != nil {
				return err
			}
			if other, taken := owner[n]; taken {
				return fmt.Errorf("%s would name two images, %s and %s: save them to two files, or one platform only", n, other, p.id)
			}
			owner[n] = p.id
		}
	}
	if len(images) == 0 {
		return errors.New("no image to save")
	}
	return nil
}

// splitName divides a full name into docker's short form of the repository, which the repositories
// file is keyed by, and the tag.
func splitName(name string) (familiar, tag string, err error) {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", "", fmt.Errorf("invalid image name %q: %v", name, err)
	}
	t, ok := ref.(reference.NamedTagged)
	if _, digested := ref.(reference.Digested); !ok || digested {
		return "", "", fmt.Errorf("invalid image name %q: an archive holds names with a tag and no digest", name)
	}
	return reference.FamiliarName(ref), t.Tag(), nil
}

// ID returns the image ID, which is the digest of the configuration.
func (im Image) ID(ctx context.Context) (digest.Digest, error) {
	raw, err := image.ReadAll(ctx, im.Source, im.Manifest, image.MaxManifestSize)
	if err != nil {
		return "", err
	}
	doc, err := image.ParseManifest(im.Manifest.MediaType, raw)
	if err != nil || doc.Config == nil {
		return "", fmt.Errorf("%s: no image manifest", im.Manifest.Digest)
	}
	return doc.Config.Digest, nil
}
