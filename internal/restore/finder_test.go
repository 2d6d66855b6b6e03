package restore_test

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/restore"
	"drayage/internal/verify"
)

// Headers of gzip streams as Go writes them, and as Go before 1.8 did.
var headers = [][]byte{
	{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}, {0x1f, 0x8b, 8, 0, 0, 9, 0x6e, 0x88, 0, 255},
}

// encoder is one that only tests may use: a library.
func encoder(level int, begun *atomic.Int32) restore.Encoder {
	return restore.Encoder{
		Name: fmt.Sprintf("flate -%d", level), Headers: headers,
		Compress: func(_ context.Context, w io.Writer, content io.Reader) error {
			begun.Add(1)
			z, err := flate.NewWriter(w, level)
			if err != nil {
				return err
			}
			crc := crc32.NewIEEE()
			n, err := io.Copy(io.MultiWriter(z, crc), content)
			if err = errors.Join(err, z.Close()); err != nil {
				return err
			}
			_, err = w.Write(binary.LittleEndian.AppendUint32(
				binary.LittleEndian.AppendUint32(nil, crc.Sum32()), uint32(n)))
			return err
		},
	}
}

func text(n int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	var b strings.Builder
	for b.Len() < 20_000+n {
		fmt.Fprintf(&b, "%d %x ", r.IntN(1000), r.IntN(50))
	}
	return []byte(b.String())
}

func layer(content []byte) restore.Layer {
	d := v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: digest.FromBytes(content),
		Size: int64(len(content))}
	return restore.Layer{
		DiffID: d.Digest, Stored: d,
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
	}
}

// blob is what a layer becomes.
func blob(t *testing.T, l restore.Layer, level, header int) v1.Descriptor {
	t.Helper()
	content, _ := l.Open(t.Context())
	var b bytes.Buffer
	b.Write(headers[header])
	if err := encoder(level, &atomic.Int32{}).Compress(t.Context(), &b, content); err != nil {
		t.Fatal(err)
	}
	return image.Describe(image.DockerLayer, b.Bytes())
}

func newFinder(levels ...int) (*restore.Finder, *atomic.Int32) {
	f, begun := &restore.Finder{}, &atomic.Int32{}
	for _, level := range levels {
		f.Encoders = append(f.Encoders, encoder(level, begun))
	}
	return f, begun
}

func TestLayersAreFoundByTheirDigests(t *testing.T) {
	f, _ := newFinder(1, 9, 2, 3)
	var wants []restore.Want
	for i, made := range [][2]int{{3, 0}, {3, 0}, {1, 1}, {3, 0}} {
		l := layer(text(i))
		wants = append(wants, restore.Want{Layer: l, Blob: blob(t, l, made[0], made[1])})
	}
	lost := layer(text(9))
	wants = append(wants, restore.Want{Layer: lost, Blob: v1.Descriptor{
		MediaType: image.DockerLayer, Digest: digest.FromString("lost"), Size: 1 << 20}})
	found, err := f.Layers(t.Context(), wants)
	if err != nil {
		t.Fatal(err)
	}
	made := restore.Source{}
	for i, w := range wants[:4] {
		m, ok := found[w.Blob.Digest]
		if want := fmt.Sprintf("flate -%d", []int{3, 3, 1, 3}[i]); !ok || m.Encoder.Name != want {
			t.Errorf("layer %d: %v, found %v; want %s", i, m.Encoder, ok, want)
			continue
		}
		made[w.Blob.Digest] = restore.Made{Layer: w.Layer, Maker: m}
		raw, err := image.ReadAll(t.Context(), made, w.Blob, 1<<20)
		if err != nil || digest.FromBytes(raw) != w.Blob.Digest {
			t.Errorf("layer %d: %v", i, err)
		}
		rest, err := made.Open(t.Context(), w.Blob, 100, 50)
		if err != nil {
			t.Fatal(err)
		}
		part, err := io.ReadAll(rest)
		if rest.Close(); err != nil || !bytes.Equal(part, raw[100:150]) {
			t.Errorf("layer %d: a part of it is wrong: %v", i, err)
		}
	}
	if len(found) != 4 {
		t.Errorf("%d were found", len(found))
	}
}

func TestAttemptsAreRememberedForOtherRuns(t *testing.T) {
	dir := t.TempDir()
	l := layer(text(0))
	wants := []restore.Want{{Layer: l, Blob: blob(t, l, 6, 1)}}
	for run := range 2 {
		f, begun := newFinder(6)
		f.CacheDir = dir
		if found, err := f.Layers(t.Context(), wants); err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		if n := begun.Load(); n != int32(1-run) {
			t.Errorf("run %d: %d attempts", run, n)
		}
	}
}

func TestContentThatIsNotTheLayer(t *testing.T) {
	f, _ := newFinder(6)
	l := layer(text(0))
	want := restore.Want{Layer: l, Blob: blob(t, l, 6, 0)}
	want.Layer.DiffID = digest.FromString("another")
	if found, err := f.Layers(t.Context(), []restore.Want{want}); !errors.Is(err, verify.ErrMismatch) {
		t.Errorf("%v, %v", found, err)
	}
}

func TestSearchEndsWithItsContext(t *testing.T) {
	f, _ := newFinder(6)
	l := layer(text(0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.Layers(ctx, []restore.Want{{Layer: l, Blob: blob(t, l, 6, 0)}})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// docker is the manifest as docker push writes it.
func docker(t *testing.T, config []byte, layers []v1.Descriptor) []byte {
	t.Helper()
	type descriptor struct {
		MediaType string        `json:"mediaType"`
		Size      int64         `json:"size"`
		Digest    digest.Digest `json:"digest"`
	}
	m := struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Config        descriptor   `json:"config"`
		Layers        []descriptor `json:"layers"`
	}{2, image.DockerManifest, descriptor{image.DockerConfig, int64(len(config)), digest.FromBytes(config)}, nil}
	for _, l := range layers {
		m.Layers = append(m.Layers, descriptor{image.DockerLayer, l.Size, l.Digest})
	}
	raw, err := json.MarshalIndent(m, "", "   ")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func wanted(d digest.Digest) restore.Wanted {
	c := &restore.Clue{}
	c.AddDigest(d, "")
	return restore.Clues{c}.Wanted("", nil)
}

func TestManifestOfTwoEncoders(t *testing.T) {
	config := []byte(`{"a":1}`)
	im := restore.Image{Config: config}
	var layers []v1.Descriptor
	for i, level := range []int{9, 9, 3, 3, 3} {
		im.Layers = append(im.Layers, layer(text(i)))
		layers = append(layers, blob(t, im.Layers[i], level, 0))
	}
	want := docker(t, config, layers)
	f, _ := newFinder(3, 1, 9)
	m, ok, err := f.Manifest(t.Context(), im, nil, wanted(digest.FromBytes(want)))
	if err != nil || !ok || !bytes.Equal(m.Raw, want) || m.MediaType != image.DockerManifest {
		t.Fatalf("%v %v %s", ok, err, m.Raw)
	}
	_, ok, err = f.Manifest(t.Context(), im, nil, wanted(digest.FromString("another")))
	if ok || err != nil {
		t.Error("a digest that nothing has is found", err)
	}
}

// BuildKit pushes layers uncompressed if it is told so, behind those of a base image that are not.
func TestManifestOfPlainLayers(t *testing.T) {
	config := []byte(`{"a":1}`)
	im := restore.Image{Config: config, Layers: []restore.Layer{layer(text(0)), layer(text(1))}}
	plain := v1.Descriptor{
		MediaType: v1.MediaTypeImageLayer, Digest: im.Layers[1].DiffID, Size: int64(len(text(1))),
	}
	packed := blob(t, im.Layers[0], 6, 0)
	packed.MediaType = v1.MediaTypeImageLayerGzip
	m := v1.Manifest{
		MediaType: v1.MediaTypeImageManifest, Config: image.Describe(v1.MediaTypeImageConfig, config),
		Layers: []v1.Descriptor{packed, plain},
	}
	m.SchemaVersion = 2
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	f, _ := newFinder(9, 6)
	got, ok, err := f.Manifest(t.Context(), im, nil, wanted(digest.FromBytes(raw)))
	if err != nil || !ok || !bytes.Equal(got.Raw, raw) {
		t.Fatalf("%v %v %s", ok, err, got.Raw)
	}
	if got, ok, err = f.Manifest(t.Context(), im, nil, wanted(digest.FromBytes(raw))); !ok || err != nil {
		t.Fatalf("not a second time: %s %v", got.Raw, err)
	}
}

// Layers in forms that no encoder makes are not compressed in vain, and named.
func TestFormsThatNoEncoderMakes(t *testing.T) {
	config := []byte(`{"a":1}`)
	im := restore.Image{Config: config}
	m := v1.Manifest{
		MediaType: v1.MediaTypeImageManifest, Config: image.Describe(v1.MediaTypeImageConfig, config),
	}
	m.SchemaVersion = 2
	lost := map[digest.Digest]bool{}
	for i, mediaType := range []string{v1.MediaTypeImageLayerZstd, v1.MediaTypeImageLayerGzip} {
		im.Layers = append(im.Layers, layer(text(i)))
		l := image.Describe(mediaType, text(9+i))
		if i == 1 {
			l.Annotations = map[string]string{"containerd.io/snapshot/stargz/toc.digest": "sha256:0"}
		}
		m.Layers = append(m.Layers, l)
		lost[l.Digest] = true
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	o, err := im.Restore(t.Context(), restore.Manifest{Raw: raw, MediaType: m.MediaType})
	if err != nil {
		t.Fatal(err)
	}
	all := []*restore.Original{o}
	f, begun := newFinder(6)
	if err := f.Make(t.Context(), all, lost); err != nil || begun.Load() > 0 || len(lost) != 2 {
		t.Errorf("%v, %d attempts, %d lost", err, begun.Load(), len(lost))
	}
	got := strings.Join(restore.Unmakable(all, lost), ", ")
	if want := "1 layer is in eStargz, 1 layer is in zstd"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
}

func TestManifestOfKnownBlobs(t *testing.T) {
	config := []byte(`{"a":1}`)
	im := restore.Image{Config: config, Layers: []restore.Layer{layer(text(0)), layer(text(1))}}
	layers := []v1.Descriptor{blob(t, im.Layers[0], 3, 0), blob(t, im.Layers[1], 2, 1)}
	var clues restore.Clue
	clues.AddBlob(im.Layers[0].DiffID, v1.Descriptor{Digest: digest.FromString("another"), Size: 1})
	clues.AddBlob(im.Layers[0].DiffID, layers[0])
	clues.AddBlob(im.Layers[1].DiffID, layers[1])
	want := docker(t, config, layers)
	f, begun := newFinder(6)
	m, ok, err := f.Manifest(t.Context(), im, restore.Clues{&clues}, wanted(digest.FromBytes(want)))
	if err != nil || !ok || !bytes.Equal(m.Raw, want) || begun.Load() > 0 {
		t.Fatalf("%v %v %s after %d attempts", ok, err, m.Raw, begun.Load())
	}
}

// Where two layers are of an encoder that is not known, the larger ones are not tried with rare ones. Those
// that have fitted are tried always.
func TestRareEncodersAreGivenUp(t *testing.T) {
	f, begun := newFinder(1, 9, 2, 3)
	f.Encoders[2].Rare, f.Encoders[3].Rare = true, true
	first, last := layer(text(0)), layer(text(5))
	wants := []restore.Want{{Layer: first, Blob: blob(t, first, 3, 0)}, {Layer: last, Blob: blob(t, last, 2, 0)}}
	for i := range 2 {
		l := layer(text(i + 1))
		lost := v1.Descriptor{MediaType: image.DockerLayer, Digest: digest.FromString(fmt.Sprint("lost", i))}
		lost.Size = last.Stored.Size / 2
		wants = append(wants, restore.Want{Layer: l, Blob: lost})
	}
	wants[1].Blob.Size = last.Stored.Size
	found, err := f.Layers(t.Context(), wants)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := found[wants[0].Blob.Digest]; !ok {
		t.Error("what was tried first is not found")
	}
	if _, ok := found[wants[1].Blob.Digest]; ok {
		t.Error("a rare encoder was tried for the largest layer")
	}
	if n := begun.Load(); n > 4+3*4 {
		t.Errorf("%d attempts", n)
	}
}
