package image_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/imagetest"
)

// wide is a source that reads one blob by several streams, and is told of retries.
type wide struct {
	imagetest.Store
	asked, told *int
}

func (w wide) ExtraStream() func()    { *w.asked++; return func() {} }
func (w wide) Retrying(r image.Retry) { *w.told++ }

func newWide() wide { return wide{imagetest.NewStore(), new(int), new(int)} }

// thin is an image of two layers, and a referrer with one. The store of all three lacks what each leaves out.
func thin(t *testing.T) (im *image.Image, base imagetest.Store, layers []v1.Descriptor) {
	store, base := imagetest.NewStore(), imagetest.NewStore()
	old := base.Put(v1.MediaTypeImageLayer, []byte("old"))
	own := store.Put(v1.MediaTypeImageLayer, []byte("own"))
	foreign := imagetest.NewStore().Put(image.DockerForeign, []byte("foreign"))
	config := store.Put(v1.MediaTypeImageConfig, []byte(`{}`))
	open := func(all ...v1.Descriptor) *image.Image {
		root := store.PutJSON(v1.MediaTypeImageManifest, imagetest.Manifest(config, all...))
		opened, err := image.Open(t.Context(), store.MemorySource, root, image.Selection{All: true})
		if err != nil {
			t.Fatal(err)
		}
		opened.Absent = []image.Absent{{Part: image.PartLayer, Descriptor: old, Reason: image.LeftOut}}
		return opened
	}
	im = open(old, own, foreign)
	im.Absent = append(im.Absent, image.Absent{Part: image.PartLayer, Descriptor: foreign,
		Reason: image.ForeignLayer})
	im.Referrers = []*image.Image{open(old)}
	return im, base, []v1.Descriptor{old, own, foreign}
}

func TestFill(t *testing.T) {
	im, base, layers := thin(t)
	before := im.Absent
	var asked []digest.Digest
	im.Fill(func(d v1.Descriptor) image.Source {
		if asked = append(asked, d.Digest); d.Digest == layers[0].Digest {
			return base
		}
		return nil
	})
	if diff := cmp.Diff([]digest.Digest{layers[0].Digest, layers[0].Digest}, asked); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	for _, one := range []*image.Image{im, im.Referrers[0]} {
		if p, err := image.ReadAll(t.Context(), one.Source, layers[0], 10); string(p) != "old" {
			t.Errorf("the filled layer: %q, %v", p, err)
		}
	}
	if p, err := image.ReadAll(t.Context(), im.Source, layers[1], 10); string(p) != "own" {
		t.Errorf("the own layer: %q, %v", p, err)
	}
	if len(im.Absent) != 1 || im.Absent[0].Reason != image.ForeignLayer || len(im.Referrers[0].Absent) != 0 {
		t.Errorf("absent still: %v, %v", im.Absent, im.Referrers[0].Absent)
	}
	if before[0].Reason != image.LeftOut {
		t.Error("the list of before was written over")
	}
	if d := im.Travelling(); len(d) != 3 {
		t.Errorf("%d blobs travel, want the configuration and two layers", len(d))
	}
}

func TestFillWithoutFinds(t *testing.T) {
	im, _, layers := thin(t)
	im.Fill(func(v1.Descriptor) image.Source { return nil })
	if len(im.Absent) != 2 || len(im.Referrers[0].Absent) != 1 {
		t.Errorf("absent: %v", im.Absent)
	}
	_, err := im.Source.Open(context.Background(), layers[0], 0, image.ToEnd)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening what is absent: %v", err)
	}
	rc, err := im.Source.Open(t.Context(), layers[1], 0, image.ToEnd)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := io.ReadAll(rc); string(p) != "own" {
		t.Errorf("%q, %v", p, err)
	}
}

// Several streams are used where a source has them, and each source hears of its own blobs.
func TestFillKeepsWhatSourcesCan(t *testing.T) {
	im, base, layers := thin(t)
	remote := newWide()
	remote.Store = base
	if _, ok := image.AsParallel(im.Source); ok {
		t.Fatal("a store in memory is parallel")
	}
	im.Fill(func(v1.Descriptor) image.Source { return remote })
	p, ok := image.AsParallel(&image.MemorySource{Next: im.Source})
	if !ok || p.ExtraStream() == nil || *remote.asked != 1 {
		t.Errorf("parallel: %v, asked for %d streams", ok, *remote.asked)
	}
	image.TellRetry(im.Source, image.Retry{Blob: layers[1]})
	if image.TellRetry(im.Source, image.Retry{Blob: layers[0]}); *remote.told != 1 {
		t.Errorf("told of %d retries, want that of its own blob", *remote.told)
	}
	im, base, _ = thin(t)
	im.Fill(func(v1.Descriptor) image.Source { return base.MemorySource })
	if _, ok := image.AsParallel(im.Source); ok {
		t.Error("two stores in memory are parallel")
	}
}
