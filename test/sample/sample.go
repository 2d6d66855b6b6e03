// Package sample makes a small multi-platform image that really runs: a static program and a text file, a
// layer each. Call [Build], then [Image.Seed] to put the image into a registry. The same options and the same
// Go release give the same bytes.
package sample

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/wire"
)

// Flavour is the shape of an image: its media types and whether its index is nested.
type Flavour int

// The flavours. Nested is an OCI index whose second child is an index of all platforms but the first.
const (
	OCI Flavour = iota
	Docker
	Nested
)

func (f Flavour) String() string { return [...]string{"oci", "docker", "nested"}[f] }

// Options shapes an image; the zero value is the plain OCI sample.
type Options struct {
	Flavour   Flavour
	Platforms []v1.Platform // of the index, in its order; nil is [Platforms]
	// content of the text layer; images of different Text share the program layers; empty has a default
	Text string
}

// Image is a whole image in memory. It must not be changed.
type Image struct {
	Root      v1.Descriptor            // the index
	Manifests []wire.Manifest          // every manifest and index, children before parents, the root last
	Blobs     map[digest.Digest][]byte // configs and layers
	Platforms []Platform               // one for each platform, in index order
}

// Platform is what the image is on one platform.
type Platform struct {
	v1.Platform
	Manifest v1.Descriptor
	Config   digest.Digest // the image ID
	DiffIDs  []digest.Digest
	Output   string // what running the image prints, without the newline
}

// Platforms are those of the sample, and this machine's own architecture if it is none of them.
func Platforms() []v1.Platform {
	all := []v1.Platform{
		{OS: "linux", Architecture: "amd64"},
		{OS: "linux", Architecture: "arm64"},
		{OS: "linux", Architecture: "arm", Variant: "v7"},
	}
	if !slices.ContainsFunc(all, func(p v1.Platform) bool { return p.Architecture == runtime.GOARCH }) {
		all = append(all, v1.Platform{OS: "linux", Architecture: runtime.GOARCH})
	}
	return all
}

// Build compiles the program for each platform with the go command, once in a process, and packs the image.
func Build(ctx context.Context, opts Options) (*Image, error) {
	if opts.Text == "" {
		opts.Text = "This image was carried by drayage.\n"
	}
	if opts.Platforms == nil {
		opts.Platforms = Platforms()
	}
	img := &Image{Blobs: map[digest.Digest][]byte{}}
	var children []v1.Descriptor
	for _, platform := range opts.Platforms {
		program, err := compile(ctx, platform)
		if err != nil {
			return nil, fmt.Errorf("sample image: %v", err)
		}
		child, err := img.addPlatform(opts, platform, program)
		if err != nil {
			return nil, fmt.Errorf("sample image: %v", err)
		}
		children = append(children, child)
	}
	if opts.Flavour == Nested && len(children) > 1 {
		inner, err := img.addIndex(opts.Flavour, children[1:])
		if err != nil {
			return nil, err
		}
		children = []v1.Descriptor{children[0], inner}
	}
	var err error
	img.Root, err = img.addIndex(opts.Flavour, children)
	return img, err
}

// Platform returns the image of a platform written as "linux/arm64" or "linux/arm/v7".
func (img *Image) Platform(name string) (Platform, error) {
	for _, p := range img.Platforms {
		if Name(p.Platform) == name {
			return p, nil
		}
	}
	return Platform{}, fmt.Errorf("sample image has no platform %q", name)
}

// Name writes a platform as users type it.
func Name(p v1.Platform) string {
	name := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		name += "/" + p.Variant
	}
	return name
}

// Seed puts the image into a repository under a tag: blobs first, then manifests, the tag last.
func (img *Image) Seed(ctx context.Context, repo *wire.Repository, tag string) error {
	for _, dgst := range slices.Sorted(maps.Keys(img.Blobs)) {
		blob := img.Blobs[dgst]
		if err := repo.PutBlob(ctx, dgst, int64(len(blob)), bytes.NewReader(blob)); err != nil {
			return fmt.Errorf("seed %s: %w", repo.Name, err)
		}
	}
	for _, m := range img.Manifests {
		ref := m.Digest.String()
		if m.Digest == img.Root.Digest {
			ref = tag
		}
		if err := repo.PutManifest(ctx, ref, m.MediaType, m.Raw); err != nil {
			return fmt.Errorf("seed %s: %w", repo.Name, err)
		}
	}
	return nil
}
