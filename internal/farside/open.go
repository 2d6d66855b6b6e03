package farside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/engine"
	"drayage/internal/inventory"
	"drayage/internal/kind"
	"drayage/internal/source"
	"drayage/internal/usage"
	"drayage/internal/verify"
)

// Open opens what people name as a place that is like the far side: an inventory in a file or on standard
// input, an archive, a layout, a repository. Of an archive it reads what describes the images, of a
// repository nothing yet. The caller calls closes when the sides are not needed any more, after an error too.
func Open(
	ctx context.Context, spec source.Spec, opts source.Options,
) (sides []Side, closes func(), err error) {
	switch {
	case spec.Name != "":
		return nil, func() {}, usage.Errorf("%s: one image is named, but all that is there counts: leave out %q",
			spec.Text, spec.Name)
	case spec.Kind == source.Stdin:
		v, err := inventory.Parse(opts.Stdin)
		return listed(v), func() {}, named("standard input", malformed(err))
	case spec.Kind == source.Archive && isInventory(spec.Path):
		v, err := readInventory(spec.Path)
		return listed(v), func() {}, named(spec.Path, err)
	case spec.Kind == source.Registry:
		client, err := opts.Client(spec.Ref)
		if err != nil {
			return nil, func() {}, err
		}
		return []Side{OfRepository(client.Repository(spec.Ref))}, func() {}, nil
	}
	opts.Look, opts.Blobs, opts.Thin = true, spec.Kind == source.Layout, true
	set, err := spec.Open(ctx, opts)
	if err != nil {
		return nil, func() {}, err
	}
	return ofSet(set), func() { set.Close() }, set.Fault()
}

func named(name string, err error) error {
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// NoEngine refuses a text that means a Docker engine: what an engine has is seldom on this side.
func NoEngine(text string) error {
	if _, ok := engine.Named(text); !ok {
		return nil
	}
	return usage.Errorf("%s is no file: drayage inventory docker -o far.inv, where that Docker is, writes one",
		text)
}

// IsInventory reports whether a SOURCE is the file of an inventory.
func IsInventory(spec source.Spec) bool { return spec.Kind == source.Archive && isInventory(spec.Path) }

// isInventory looks at the beginning of a file. What cannot be read is no inventory: who opens it says why.
func isInventory(path string) bool {
	fi, err := os.Stat(path)
	if err != nil || !fi.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	prefix := make([]byte, 4<<10)
	n, _ := io.ReadFull(f, prefix)
	return inventory.IsInventory(prefix[:n])
}

func readInventory(path string) (*inventory.Inventory, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	v, err := inventory.Parse(f)
	return v, malformed(err)
}

// malformed makes of an error about what an inventory says one about its integrity.
func malformed(err error) error {
	if err == nil || errors.As(err, new(*fs.PathError)) {
		return err
	}
	return kind.Errorf(verify.ErrMismatch, "%w", err)
}

// listed is what an inventory lists. One without unpacked layers is not asked for them: configurations
// would be read for nothing.
func listed(v *inventory.Inventory) []Side {
	if v == nil {
		return nil
	}
	if _, chains, _, _ := v.Counts(); chains == 0 {
		return []Side{blobsOnly{v}}
	}
	return []Side{v}
}

// blobsOnly hides that a side knows unpacked layers.
type blobsOnly struct{ side Side }

func (b blobsOnly) Has(ctx context.Context, d v1.Descriptor) (bool, error) { return b.side.Has(ctx, d) }

// ofSet is what a layout or an archive has: blobs, and the layers of docker tars.
func ofSet(set *source.Set) (sides []Side) {
	if set.Layout != nil {
		sides = append(sides, OfLayout(set.Layout))
	}
	if p := patchedIn(set); len(p) > 0 {
		sides = append(sides, p)
	}
	var saved [][]digest.Digest
	for _, im := range set.Images {
		if im.Saved != nil && !slices.ContainsFunc(im.Saved.Absent, image.Absent.IsFault) {
			saved = append(saved, im.Saved.DiffIDs()) // also what was left out: without it the tar loads nowhere
		}
	}
	if len(saved) > 0 {
		sides = append(sides, OfLayers(saved...))
	}
	return sides
}

// patched are the sizes of layers that an archive has brought as patches: whoever has taken it has them.
type patched map[digest.Digest]int64

func patchedIn(set *source.Set) patched {
	all := patched{}
	for _, im := range set.Images {
		for _, a := range im.NotHere {
			if a.Reason == image.LeftOut && a.Rebuilt != nil && !a.Rebuilt.Content {
				all[a.Descriptor.Digest] = a.Descriptor.Size
			}
		}
	}
	return all
}

func (p patched) Has(_ context.Context, d v1.Descriptor) (bool, error) {
	size, ok := p[d.Digest]
	return ok && size == d.Size, nil
}

// Base is a place that blobs are read from which an archive lacks.
type Base struct {
	Side
	image.Source
	patched []image.Absent // layers that Source has as patches of others
}

// OpenBase opens a layout, an archive or a repository to read blobs from. The caller calls closes when the
// bases are not needed any more, also after an error.
func OpenBase(
	ctx context.Context, spec source.Spec, opts source.Options,
) (bases []Base, closes func(), err error) {
	switch {
	case spec.Name != "":
		return nil, func() {}, usage.Errorf("%s: one image is named, but all that is there counts: leave out %q",
			spec.Text, spec.Name)
	case IsInventory(spec):
		return nil, func() {}, usage.Errorf("%s is an inventory, which lists blobs and has none: "+
			"a base is an archive, a layout or a repository", spec.Text)
	case spec.Kind == source.Registry:
		client, err := opts.Client(spec.Ref)
		if err != nil {
			return nil, func() {}, err
		}
		repo := client.Repository(spec.Ref)
		return []Base{{Side: OfRepository(repo), Source: repo}}, func() {}, nil
	}
	opts.Blobs = spec.Kind == source.Layout
	set, err := spec.Open(ctx, opts)
	if err != nil {
		return nil, func() {}, err
	}
	if set.Layout != nil {
		stored := Base{Side: &unpacking{stored: stored{set.Layout}}, Source: set.Layout.Content()}
		if opts.Blobs {
			stored.patched, err = set.Layout.Patched(ctx)
		}
		for _, im := range set.Images {
			stored.patched = append(stored.patched, im.NotHere...)
		}
		bases = append(bases, stored)
	}
	plain := plainLayers{}
	for _, im := range set.Images {
		if im.Saved != nil {
			plain.add(im)
		}
	}
	if len(plain) > 0 {
		bases = append(bases, Base{Side: plain, Source: plain})
	}
	return bases, func() { set.Close() }, err
}

// plainLayers are the uncompressed layers of docker tars. Such a layer is a blob with its diff ID as digest.
type plainLayers map[digest.Digest]plainLayer

type plainLayer struct {
	size int64
	image.Source
}

func (p plainLayers) add(im *source.Image) {
	for _, l := range im.Saved.Layers {
		if kind, err := l.Compression(); err == nil && kind == compression.None {
			p[l.DiffID] = plainLayer{l.Size(), l.Source()}
		}
	}
}

func (p plainLayers) Has(_ context.Context, d v1.Descriptor) (bool, error) {
	l, ok := p[d.Digest]
	return ok && l.size == d.Size, nil
}

func (p plainLayers) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	l, ok := p[d.Digest]
	if !ok {
		return nil, fmt.Errorf("%s: %w", d.Digest, os.ErrNotExist)
	}
	return l.Open(ctx, d, offset, length)
}
