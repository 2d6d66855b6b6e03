package dockerarchive

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/limits"
	"drayage/internal/tarfs"
	"drayage/internal/unpack"
	"drayage/internal/verify"
)

// SavedImage is an image in a saved tar.
type SavedImage struct {
	ID     digest.Digest // of Config: what docker images shows
	Config []byte        // as it stands in the archive
	Names  []string      // full names with tags; none if it was saved by its ID
	Odd    []string      // other RepoTags, which are no names
	Layers []SavedLayer  // base first

	// Absent is set by [Reader.Survey] alone. It has all parts that are missing or wrong, foreign layers, and
	// layers that were left out because the engine that the archive is for has them.
	Absent []image.Absent

	diffIDs []digest.Digest // as the configuration has them; nil: Layers tell them
}

// DiffIDs are those of all layers, base first, also of layers that are not in the archive.
func (s SavedImage) DiffIDs() (all []digest.Digest) {
	if s.diffIDs != nil {
		return slices.Clone(s.diffIDs)
	}
	for _, l := range s.Layers { // of a v1 archive, or one that a caller has made
		all = append(all, l.DiffID)
	}
	return all
}

// SavedLayer is a layer in a saved tar.
type SavedLayer struct {
	DiffID  digest.Digest // what its uncompressed content must hash to; not verified
	Path    string        // in the archive
	content *tarfs.File
	known   *sync.Map // of the archive: descriptors of layers that have been read, by their layerKey
}

// layerKey tells layers of an archive apart.
type layerKey struct {
	offset int64
	diffID digest.Digest
}

// Open returns the layer as it is stored. It may be called any number of times and concurrently.
func (l SavedLayer) Open() *io.SectionReader { return l.content.Open() }

// Source returns a source of the layer as it is stored, whatever descriptor it is asked for.
func (l SavedLayer) Source() image.Source { return storedLayer{l} }

type storedLayer struct{ layer SavedLayer }

func (s storedLayer) Open(_ context.Context, _ v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	return io.NopCloser(image.Section(s.layer.Open(), s.layer.Size(), offset, length)), nil
}

// Size is the number of bytes stored.
func (l SavedLayer) Size() int64 { return l.content.Entry().Size }

// Compression tells from the layer's first bytes how it is stored: "none", "gzip", "zstd", "bzip2" or "xz".
func (l SavedLayer) Compression() (string, error) {
	prefix := make([]byte, compression.PeekSize)
	n, err := l.Open().ReadAt(prefix, 0)
	if err != nil && err != io.EOF {
		return "", err
	}
	return compression.Detect(prefix[:n]), nil
}

// namedDigest reads the digest that the name of a configuration promises: HEX.json, sha256:HEX or a blob's.
func namedDigest(name string) (digest.Digest, bool) {
	stem := strings.TrimSuffix(path.Base(name), ".json")
	for _, a := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		if d := digest.NewDigestFromEncoded(a, strings.TrimPrefix(stem, a.String()+":")); d.Validate() == nil {
			return d, true
		}
	}
	return "", false
}

// fullNames reads RepoTags, each name once. Tools write there what is no name: docker-drag makes one of a
// digest, Bazel one of a path with capitals, and old rules_oci an empty one of the end of a file. All but
// empty ones are odd. So is a name with a digest: no image in an archive has one that an engine could load.
func fullNames(tags []string) (names, odd []string) {
	seen := map[string]bool{"": true}
	for _, t := range tags {
		name, err := fullName(t)
		switch {
		case seen[t]:
		case err != nil:
			odd = append(odd, t)
		case !seen[name]:
			names = append(names, name)
		}
		seen[t], seen[name] = true, true
	}
	return names, odd
}

func fullName(name string) (string, error) {
	ref, err := reference.ParseNormalizedNamed(name[:min(len(name), limits.Name)])
	if len(name) > limits.Name {
		err = fmt.Errorf("it has more than %d bytes", limits.Name)
	}
	if err != nil {
		return "", verify.Mismatchf("invalid name %.200q: %v", name, err)
	}
	if _, digested := ref.(reference.Digested); digested {
		return "", verify.Mismatchf("invalid name %.200q: it has a digest", name)
	}
	return reference.TagNameOnly(ref).String(), nil
}

// Image is the saved image as one that can be written again. It has a manifest of its own, in which layers
// stand as they are stored. Image reads those that are stored compressed once, to learn their digests and to
// check their diff IDs, which nobody does who copies them later. Layers in bzip2 and xz, which have no media
// type, are unpacked. The image can be used as long as its archive.
func (s SavedImage) Image(ctx context.Context) (*image.Image, error) {
	if err := s.Lacks(); err != nil {
		return nil, err
	}
	m := v1.Manifest{
		MediaType: v1.MediaTypeImageManifest,
		Config:    image.Describe(v1.MediaTypeImageConfig, s.Config),
		Layers:    []v1.Descriptor{},
	}
	m.SchemaVersion = 2
	layers := savedSource{}
	for _, l := range s.Layers {
		d, src, err := l.describe(ctx)
		if err != nil {
			return nil, fmt.Errorf("layer %q: %w", l.Path, err)
		}
		layers[d.Digest] = src
		m.Layers = append(m.Layers, d)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	root := image.Describe(v1.MediaTypeImageManifest, raw)
	content := map[digest.Digest][]byte{root.Digest: raw, m.Config.Digest: s.Config}
	src := &image.MemorySource{Content: content, Next: layers}
	im, err := image.Open(ctx, src, root, image.Selection{All: true})
	if err != nil {
		return nil, err
	}
	im.Names, im.Uncompressed = s.Names, true
	return im, nil
}

func (l SavedLayer) describe(ctx context.Context) (d v1.Descriptor, src image.Source, err error) {
	kind, err := l.Compression()
	if err != nil {
		return d, nil, err
	}
	d, src = v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: l.DiffID, Size: l.Size()}, l.Source()
	switch kind {
	case compression.None:
		return d, src, nil
	case compression.Gzip:
		d.MediaType = v1.MediaTypeImageLayerGzip
	case compression.Zstd:
		d.MediaType = v1.MediaTypeImageLayerZstd
	default:
		src = unpackedLayer{l}
	}
	key := layerKey{l.content.Entry().Offset, l.DiffID}
	if known, ok := l.known.Load(key); ok {
		return known.(v1.Descriptor), src, nil
	}
	h := sha256.New()
	layer, err := unpack.Sum(ctx, io.TeeReader(l.Open(), h), l.DiffID.Algorithm(), nil)
	if err == nil {
		err = unpack.CheckDiffID(layer.DiffID, l.DiffID)
	}
	if err != nil {
		return d, nil, err
	}
	if d.MediaType == v1.MediaTypeImageLayer {
		d.Size = layer.Size
	} else {
		d.Digest = digest.NewDigest(digest.SHA256, h)
	}
	l.known.Store(key, d)
	return d, src, nil
}

// savedSource gives out the layers of a saved image. It is no [image.ParallelSource]: every range of a layer
// in xz would be reached from the beginning.
type savedSource map[digest.Digest]image.Source

func (s savedSource) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	layer, ok := s[d.Digest]
	if !ok {
		return nil, fmt.Errorf("%s: not here", d.Digest)
	}
	return layer.Open(ctx, d, offset, length)
}

type unpackedLayer struct{ layer SavedLayer }

func (u unpackedLayer) Open(ctx context.Context, _ v1.Descriptor, off, length int64) (io.ReadCloser, error) {
	plain, err := unpack.NewReader(ctx, u.layer.Open(), compression.Sources)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, plain, off); err != nil {
		plain.Close()
		return nil, err
	}
	if length == image.ToEnd {
		return plain, nil
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(plain, length), plain}, nil
}
