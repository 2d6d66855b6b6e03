package dockerarchive

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/dockerv1"
	"drayage/internal/tarfs"
	"drayage/internal/unpack"
	"drayage/internal/verify"
)

const (
	maxChain   = 1024 // layers of an image; Docker never had images of more than 127
	maxHashing = 4    // layers that are read at once, because decompressing one may take 128 MiB
)

// chains lists the layers of each image, base first. Every layer must belong to an image.
func (v *v1Archive) chains() ([][]*v1Dir, error) {
	var chains [][]*v1Dir
	reached, total := map[string]bool{}, 0
	for _, top := range v.tops() {
		chain, err := v.chain(top)
		if err != nil {
			return nil, err
		}
		size := 0
		for _, layer := range chain {
			reached[layer.name] = true
			size += layer.said
		}
		if size > image.MaxConfigSize {
			return nil, fmt.Errorf("image %q: its configuration would have more than the %d bytes that are accepted",
				top, image.MaxConfigSize)
		}
		if total += size; total > maxConfigs {
			return nil, tooLarge(len(chains) + 1)
		}
		chains = append(chains, chain)
	}
	for _, dir := range slices.Sorted(maps.Keys(v.layers)) {
		if !reached[dir] {
			return nil, damagedf("layer %q stands on itself", dir)
		}
	}
	return chains, nil
}

// tops lists the layers that an image ends with: those that have names, by name, and those that no other
// stands on.
func (v *v1Archive) tops() []string {
	below := map[string]bool{}
	for _, layer := range v.layers {
		below[layer.parent] = true
	}
	var named, nameless []string
	for _, dir := range slices.Sorted(maps.Keys(v.layers)) {
		if len(v.names[dir]) > 0 {
			named = append(named, dir)
		} else if !below[dir] {
			nameless = append(nameless, dir)
		}
	}
	slices.SortFunc(named, func(a, b string) int { return cmp.Compare(v.names[a][0], v.names[b][0]) })
	return append(named, nameless...)
}

func (v *v1Archive) chain(top string) ([]*v1Dir, error) {
	var chain []*v1Dir
	seen := map[string]bool{}
	for dir := top; dir != ""; dir = v.layers[dir].parent {
		switch {
		case v.layers[dir] == nil:
			return nil, damagedf("layer %q stands on %q, which is not there", chain[len(chain)-1].name, dir)
		case seen[dir]:
			return nil, damagedf("layer %q stands on itself", dir)
		case len(chain) == maxChain:
			return nil, fmt.Errorf("layer %q stands on more than the %d that are accepted", top, maxChain)
		}
		seen[dir] = true
		chain = append(chain, v.layers[dir])
	}
	slices.Reverse(chain)
	return chain, nil
}

// hash finds out the diff IDs of all layers. It reads a file that several layers share once.
func (v *v1Archive) hash(ctx context.Context) error {
	byPlace := map[tarfs.Entry][]*v1Dir{}
	for _, dir := range slices.Sorted(maps.Keys(v.layers)) {
		place := v.layers[dir].content.Entry()
		byPlace[place] = append(byPlace[place], v.layers[dir])
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(min(maxHashing, runtime.GOMAXPROCS(0)))
	for _, layers := range byPlace {
		g.Go(func() error {
			id, err := diffIDOf(ctx, layers[0].content)
			if err != nil {
				return fmt.Errorf("layer %q: %w", layers[0].name, err)
			}
			for _, l := range layers {
				l.diffID = id
			}
			return nil
		})
	}
	return g.Wait()
}

// diffIDOf hashes the uncompressed content of a layer. In a stream an uncompressed layer has been hashed
// already.
func diffIDOf(ctx context.Context, f *tarfs.File) (digest.Digest, error) {
	if kind, err := (SavedLayer{content: f}).Compression(); err == nil && kind == compression.None {
		sum, err := f.SHA256(ctx)
		return digest.NewDigestFromBytes(digest.SHA256, sum[:]), err
	}
	layer, err := unpack.Sum(ctx, f.Open(), digest.SHA256, nil)
	return layer.DiffID, err
}

// image makes the image of a chain of layers, with the configuration that Docker makes when it loads the
// archive.
func (v *v1Archive) image(chain []*v1Dir) (SavedImage, error) {
	top := chain[len(chain)-1].name
	im := SavedImage{Names: v.names[top]}
	var history []dockerv1.History
	var diffIDs []digest.Digest
	for _, l := range chain {
		history, diffIDs = append(history, l.history), append(diffIDs, l.diffID)
		im.Layers = append(im.Layers, SavedLayer{DiffID: l.diffID, Path: l.name + "/layer.tar", content: l.content})
	}
	raw, err := v.description(top)
	if err != nil {
		return im, err
	}
	if im.Config, err = dockerv1.Config(raw, history, diffIDs); err != nil {
		return im, fmt.Errorf("image %q: %w", top, err)
	}
	if _, err := image.ParseConfig(im.Config); err != nil {
		return im, verify.Mismatchf("image %q: %w", top, err)
	}
	im.ID = digest.FromBytes(im.Config)
	return im, nil
}
