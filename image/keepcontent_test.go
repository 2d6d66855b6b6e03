package image_test

import (
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/imagetest"
)

// Of an index with two images, one shares a layer whose compression is lost.
func TestKeepContent(t *testing.T) {
	s := imagetest.NewStore()
	lost, other := imagetest.GzipLayer([]byte("lost")), imagetest.GzipLayer([]byte("other"))
	with := imagetest.Image{Layers: []imagetest.Layer{other, lost}, Docker: true}.Put(s.Put)
	without := imagetest.Image{Layers: []imagetest.Layer{other}}.Put(s.Put)
	root := s.Put(imagetest.Index(false, with, without))
	im := &image.Image{Graph: loaded(t, s, root), Source: s}
	d := digest.FromBytes(lost.Content)
	im.Absent = []image.Absent{{Part: image.PartLayer, Reason: image.LeftOut, DiffID: lost.DiffID,
		Descriptor: v1.Descriptor{Digest: d, Size: int64(len(lost.Content)), MediaType: image.DockerLayer},
		Rebuilt:    &image.Rebuilt{Unpacked: 4, Content: true}}}
	before := im.Graph
	if err := im.KeepContent(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := im.Absent[0]
	if a.Descriptor.Digest != lost.DiffID || a.Descriptor.Size != 4 || a.Rebuilt.Content ||
		a.Descriptor.MediaType != "application/vnd.docker.image.rootfs.diff.tar" {
		t.Errorf("%+v", a)
	}
	if before.Root.Digest != root.Digest || !im.Rewritten || im.Root.Digest == root.Digest {
		t.Errorf("%s became %s", before.Root.Digest, im.Root.Digest)
	}
	again := loaded(t, im.Source, im.Root)
	if len(again.Manifests) != 3 || again.Manifests[1].Descriptor.Digest != without.Digest {
		t.Errorf("%+v", again.Manifests)
	}
	if got := again.Manifests[0].Document.Layers; got[0].Digest != digest.FromBytes(other.Content) ||
		got[1].Digest != lost.DiffID {
		t.Errorf("%+v", got)
	}
	if len(im.Travelling()) != len(im.Blobs)-1 {
		t.Errorf("%+v", im.Blobs)
	}
	if now := im.Graph; im.KeepContent(t.Context()) != nil || im.Graph != now {
		t.Error("nothing is lost, and something has changed")
	}
}

func loaded(t *testing.T, src image.Source, root v1.Descriptor) *image.Graph {
	t.Helper()
	g, err := image.Load(t.Context(), src, root, image.Selection{All: true})
	if err != nil {
		t.Fatal(err)
	}
	return g
}
