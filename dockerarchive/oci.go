package dockerarchive

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/layout"
)

// Whole is an image to write with [WriteOCI]: all of it that travels, with the registry's own bytes.
type Whole struct {
	Graph   *image.Graph
	Source  image.Source  // gives out everything in Graph
	Names   []string      // full names with tags; may be none
	Subject digest.Digest // of the image that this belongs to, for a signature or the like

	// Made says that the manifest is no registry's but was made for an image of a saved tar. If its layers are uncompressed, the archive says
	// so as Docker does, and they may be compressed when it is pushed.
	Made bool
}

// ociContents is what an OCI archive consists of, each thing once.
type ociContents struct {
	index        v1.Index
	items        []manifestItem
	repositories map[string]map[string]string
	small, large []ociBlob // manifests and configurations; layers
}

// ociBlob is content that goes into the archive unchanged.
type ociBlob struct {
	desc   v1.Descriptor
	source image.Source
}

func loadOCI(ctx context.Context, images []Whole) (*ociContents, error) {
	if len(images) == 0 {
		return nil, fmt.Errorf("no image to save")
	}
	c := &ociContents{index: v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{}}, repositories: map[string]map[string]string{}}
	c.index.SchemaVersion = 2
	owner := map[string]digest.Digest{}
	for _, im := range images {
		for _, n := range im.Names {
			if _, _, err := splitName(n); err != nil {
				return nil, err
			}
			if other, taken := owner[n]; taken && other != im.Graph.Root.Digest {
				return nil, fmt.Errorf("%s would name two images, %s and %s: save them to two files", n, other, im.Graph.Root.Digest)
			}
			owner[n] = im.Graph.Root.Digest
		}
		c.addEntries(im)
		if im.Subject == "" {
			if err := c.addItem(ctx, im); err != nil {
				return nil, err
			}
		}
	}
	c.collect(images)
	slices.SortStableFunc(c.index.Manifests, func(a, b v1.Descriptor) int {
		return cmp.Or(strings.Compare(a.Annotations[layout.AnnotationName], b.Annotations[layout.AnnotationName]), strings.Compare(string(a.Digest), string(b.Digest)))
	})
	return c, nil
}

// addEntries names the image in index.json, once for each name. No platform is given: ctr leaves out what is not for it.
func (c *ociContents) addEntries(im Whole) {
	root := v1.Descriptor{MediaType: im.Graph.Root.MediaType, Digest: im.Graph.Root.Digest, Size: im.Graph.Root.Size}
	if im.Subject != "" {
		root.Annotations = map[string]string{layout.AnnotationSubject: im.Subject.String()}
	}
	if len(im.Names) == 0 {
		c.addEntry(root)
	}
	for _, n := range im.Names {
		d := root
		d.Annotations = maps.Clone(root.Annotations)
		if d.Annotations == nil {
			d.Annotations = map[string]string{}
		}
		_, tag, _ := splitName(n)
		d.Annotations[layout.AnnotationName], d.Annotations[v1.AnnotationRefName] = n, tag
		c.addEntry(d)
	}
}

func (c *ociContents) addEntry(d v1.Descriptor) {
	for _, known := range c.index.Manifests {
		if known.Digest == d.Digest && maps.Equal(known.Annotations, d.Annotations) {
			return
		}
	}
	c.index.Manifests = append(c.index.Manifests, d)
}

// addItem enters into manifest.json the one platform of the image that engines which read only that will get.
func (c *ociContents) addItem(ctx context.Context, im Whole) error {
	n, err := loadable(ctx, im)
	if err != nil || n == nil {
		return err
	}
	item := manifestItem{Config: ociPath(n.Document.Config.Digest), RepoTags: im.Names, Layers: []string{}}
	for _, l := range n.Document.Layers {
		item.Layers = append(item.Layers, ociPath(l.Digest))
	}
	if im.Made {
		item.LayerSources = uncompressed(n.Document.Layers)
	}
	for i, known := range c.items {
		if known.Config == item.Config && slices.Equal(known.Layers, item.Layers) {
			c.items[i].RepoTags = appendNew(known.RepoTags, im.Names)
			item.Config = ""
		}
	}
	if item.Config != "" {
		c.items = append(c.items, item)
	}
	for _, name := range im.Names {
		repository, tag, err := splitName(name)
		if err != nil {
			return err
		}
		if len(n.Document.Layers) == 0 {
			continue
		}
		if c.repositories[repository] == nil {
			c.repositories[repository] = map[string]string{}
		}
		c.repositories[repository][tag] = n.Document.Layers[len(n.Document.Layers)-1].Digest.Encoded()
	}
	return nil
}

// loadable chooses among the platforms of an image: the default one, else the first. It returns nil for what is no
// container image.
func loadable(ctx context.Context, im Whole) (*image.Node, error) {
	var nodes []*image.Node
	var have []v1.Platform
	for i := range im.Graph.Manifests {
		n := &im.Graph.Manifests[i]
		if !n.Document.MayBeImage() {
			continue
		}
		raw, err := image.ReadAll(ctx, im.Source, *n.Document.Config, image.MaxConfigSize)
		if err != nil {
			return nil, err
		}
		if n.Document.Judge(raw).Kind != image.Container {
			continue
		}
		config, err := image.ParseConfig(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Document.Config.Digest, err)
		}
		if p := image.PlatformOf(config); p.OS != "unknown" && len(config.RootFS.DiffIDs) == len(n.Document.Layers) {
			nodes, have = append(nodes, n), append(have, p)
		}
	}
	if len(nodes) == 0 {
		return nil, nil
	}
	return nodes[max(image.BestPlatform(image.DefaultPlatform(), have), 0)], nil
}

// collect lists the blobs of all images, each once, in the order of their digests: small ones first, so that
// a reader of a stream knows what follows.
func (c *ociContents) collect(images []Whole) {
	seen := map[digest.Digest]bool{}
	add := func(list *[]ociBlob, d v1.Descriptor, src image.Source) {
		if !seen[d.Digest] {
			seen[d.Digest] = true
			*list = append(*list, ociBlob{d, src})
		}
	}
	for _, im := range images {
		for _, n := range im.Graph.Manifests {
			add(&c.small, n.Descriptor, im.Source)
			if n.Document.Config != nil {
				add(&c.small, *n.Document.Config, im.Source)
			}
		}
	}
	for _, im := range images {
		for _, d := range im.Graph.Blobs {
			add(&c.large, d, im.Source)
		}
	}
	for _, list := range [][]ociBlob{c.small, c.large} {
		slices.SortFunc(list, func(a, b ociBlob) int { return strings.Compare(string(a.desc.Digest), string(b.desc.Digest)) })
	}
}

func ociPath(d digest.Digest) string {
	return v1.ImageBlobsDir + "/" + d.Algorithm().String() + "/" + d.Encoded()
}

// documents are the JSON files that stand first.
func (c *ociContents) documents() ([]*member, error) {
	epoch := time.Unix(0, 0)
	index, err := json.Marshal(c.index)
	if err != nil {
		return nil, err
	}
	all := []*member{
		file(v1.ImageLayoutFile, []byte(`{"imageLayoutVersion":"`+v1.ImageLayoutVersion+`"}`), epoch),
		file(v1.ImageIndexFile, index, epoch),
	}
	if len(c.items) == 0 {
		return all, nil
	}
	items, err := encode(c.items)
	if err != nil {
		return nil, err
	}
	all = append(all, file("manifest.json", items, epoch))
	if len(c.repositories) == 0 {
		return all, nil
	}
	repositories, err := encode(c.repositories)
	return append(all, file("repositories", repositories, epoch)), err
}
