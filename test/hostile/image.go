package hostile

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/imagetest"
)

// item is an entry of manifest.json.
type item struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// image is an archive of docker save in the making: an attack changes it before it is packed.
type image struct {
	item
	config   []byte
	layers   [][]byte
	members  []imagetest.Entry
	manifest []byte // in place of what item says
	zipped   bool   // all of it is compressed
}

// Name is what the image of every archive is called, unless the attack is about that.
const Name = "docker.io/library/hostile:1"

// layerTar is a layer of one file.
func layerTar(name string, size int) []byte {
	return imagetest.Pack(imagetest.Entry{Name: name, Body: string(bytes.Repeat([]byte(name), size/len(name)))})
}

func configOf(layers ...[]byte) []byte {
	return imagetest.Encode(v1.Image{Author: "hostile", Platform: linux(),
		RootFS: v1.RootFS{Type: "layers", DiffIDs: diffIDs(layers...)}})
}

func linux() v1.Platform { return v1.Platform{OS: "linux", Architecture: "amd64"} }

func diffIDs(layers ...[]byte) []digest.Digest {
	all := []digest.Digest{}
	for _, l := range layers {
		all = append(all, digest.FromBytes(l))
	}
	return all
}

func hexOf(raw []byte) string { return digest.FromBytes(raw).Encoded() }

func newImage() *image {
	im := &image{layers: [][]byte{layerTar("one", 9000), layerTar("two", 5000)}}
	im.config = configOf(im.layers...)
	im.Config, im.RepoTags = digest.FromBytes(im.config).Encoded()+".json", []string{"hostile:1"}
	im.add(im.Config, im.config)
	for i, l := range im.layers {
		name := fmt.Sprintf("layer%d/layer.tar", i)
		im.Layers = append(im.Layers, name)
		im.add(name, l)
	}
	return im
}

func (im *image) add(name string, content []byte) {
	im.members = append(im.members, imagetest.Entry{Name: name, Body: string(content)})
}

// put replaces a member.
func (im *image) put(m imagetest.Entry) {
	im.members[slices.IndexFunc(im.members, func(old imagetest.Entry) bool { return old.Name == m.Name })] = m
}

func (im *image) drop(name string) {
	im.members = slices.DeleteFunc(im.members, func(m imagetest.Entry) bool { return m.Name == name })
}

// reconfigure gives the image another configuration, under its right name.
func (im *image) reconfigure(config []byte) {
	im.drop(im.Config)
	im.config, im.Config = config, digest.FromBytes(config).Encoded()+".json"
	im.add(im.Config, config)
}

func (im *image) pack() []byte {
	all := im.members
	if im.manifest == nil {
		im.manifest = imagetest.Encode([]item{im.item})
	}
	all = append(slices.Clone(all), imagetest.Entry{Name: "manifest.json", Body: string(im.manifest)})
	if !im.zipped {
		return imagetest.Pack(all...)
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	imagetest.PackTo(w, all...)
	must(w.Close())
	return b.Bytes()
}

// zeros is n zeros in gzip.
func zeros(n int) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	block := make([]byte, 1<<20)
	for ; n > 0; n -= len(block) {
		_, err := w.Write(block)
		must(err)
	}
	must(w.Close())
	return b.Bytes()
}

// must is for what cannot fail in memory.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
