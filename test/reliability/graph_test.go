//go:build linux

package reliability

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/fakeregistry"
	"drayage/internal/imagetest"
	"drayage/internal/schema1test"
)

// fields is a document to change.
func fields(raw []byte) (m map[string]any) {
	must(json.Unmarshal(raw, &m))
	return m
}

func nestedIndexes(t *try) {
	s, reg := t.fake()
	img := newImage("graph", 10<<10)
	img.put(reg, "app", "good")
	d := img.desc
	d.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}
	for range 1000 {
		d = reg.PutIndex("app", "1", false, d)
	}
	s.Reset()
	t.unfetched(s)
	t.note("%d manifests read", len(s.Requests("GET", "/manifests/")))
}

func manyChildren(t *try) {
	s, reg := t.fake()
	var children []v1.Descriptor
	for i := range 25_000 { // 4 MiB of them, which is what registries take
		children = append(children, v1.Descriptor{MediaType: v1.MediaTypeImageManifest,
			Digest: digest.FromString(fmt.Sprint(i)), Size: 1000})
	}
	reg.PutIndex("app", "1", false, children...)
	t.unfetched(s, exitOther, exitIntegrity, exitNotFound)
	if n := len(s.Requests("", "")); n > 20_100 {
		t.Errorf("%d requests were made", n)
	}
}

func oneChild(t *try) {
	s, reg := t.fake()
	img := newImage("graph", 10<<10)
	img.put(reg, "app", "good")
	d := img.desc
	d.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}
	var children []v1.Descriptor
	for range 1000 {
		children = append(children, d)
	}
	root := reg.PutIndex("app", "1", false, children...)
	s.Reset()
	t.must("fetch", s.ref("app:1"), "-o", "images", "--platform", "all")
	if got := t.sound("images")[s.ref("app:1")]; got.Digest != root.Digest {
		t.Errorf("fetched %q", got.Digest)
	}
	if n := len(s.Requests("GET", "/manifests/")); n > 6 {
		t.Errorf("%d manifests were read", n)
	}
}

// foreignURLs offers a layer that the registry does not have at addresses that no client should go to for it.
func foreignURLs(t *try) {
	inside, _ := t.fake()
	img := newImage("graph", 10<<10)
	m := fields(img.manifest)
	l := layerOf(m)
	l["digest"], l["mediaType"] = digest.FromString("not there"),
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
	l["urls"] = []string{inside.URL() + "/latest/meta-data/", "http://169.254.169.254/latest/meta-data/",
		"file:///etc/passwd"}
	s := t.servedManifest(img, v1.MediaTypeImageManifest, imagetest.Encode(m))
	t.unfetched(s, exitOther, exitIntegrity, exitNotFound)
	if n := len(inside.Requests("", "")); n != 0 {
		t.Errorf("%d requests were sent to the foreign address", n)
	}
}

// unknownTypes has a layer of a type that nobody knows, once as it is and once so that it is no layer at all.
func unknownTypes(t *try) {
	img := newImage("graph", 10<<10)
	m := fields(img.manifest)
	layerOf(m)["mediaType"] = "application/vnd.example.something"
	raw := imagetest.Encode(m)
	s := t.servedManifest(img, v1.MediaTypeImageManifest, raw)
	t.must("fetch", s.ref("app:1"), "-o", "images")
	if got := t.sound("images")[s.ref("app:1")]; got.Digest != digest.FromBytes(raw) {
		t.Errorf("fetched %q", got.Digest)
	}
	if r := t.run("save", s.ref("app:1"), "-o", "image.tar"); r.code == 0 {
		t.savedAs("image.tar", img) // it is what its diff ID says, whatever it is called
	}
}

func noLayers(t *try) {
	s, reg := t.fake()
	d := reg.PutImage("app", "1", fakeregistry.Image{})
	t.must("fetch", s.ref("app:1"), "-o", "images", "--platform", "linux/amd64")
	if got := t.sound("images")[s.ref("app:1")]; got.Digest != d.Digest {
		t.Errorf("fetched %q", got.Digest)
	}
	t.must("save", "images", "-o", "image.tar")
}

func encryptedLayers(t *try) {
	img := newImage("graph", 10<<10)
	m := fields(img.manifest)
	secret := bytes.Repeat([]byte("only who has the key can read this"), 100)
	l := layerOf(m)
	l["mediaType"], l["digest"], l["size"] = v1.MediaTypeImageLayerGzip+"+encrypted", digest.FromBytes(secret),
		len(secret)
	s, reg := t.fake()
	img.put(reg, "app", "good")
	reg.PutBlob("app", secret)
	reg.PutManifest("app", "1", v1.MediaTypeImageManifest, imagetest.Encode(m))
	t.must("fetch", s.ref("app:1"), "-o", "images")
	t.failed(t.run("save", "images", "-o", "image.tar"), []int{exitOther, exitIntegrity},
		"encrypted|"+digest.FromBytes(secret).Encoded())
	if t.exists("image.tar") {
		t.Error("a tar was written")
	}
}

// referrersInACircle has two images whose lists of referrers name each other.
func referrersInACircle(t *try) {
	s, reg := t.fake()
	one, two := newImage("one", 1<<10), newImage("two", 1<<10)
	one.put(reg, "app", "1")
	two.put(reg, "app", "2")
	list := func(subject, referrer v1.Descriptor) {
		referrer.ArtifactType = "application/vnd.example.signature"
		reg.PutIndex("app", "sha256-"+subject.Digest.Encoded(), false, referrer)
	}
	list(one.desc, two.desc)
	list(two.desc, one.desc)
	t.must("fetch", s.ref("app:1"), "-o", "images", "--referrers")
	if got := t.sound("images")[s.ref("app:1")]; got.Digest != one.desc.Digest {
		t.Errorf("fetched %q", got.Digest)
	}
	if n := len(s.Requests("", "")); n > 60 {
		t.Errorf("%d requests were made", n)
	}
}

// otherData has a descriptor that claims to hold the blob itself.
func otherData(t *try) {
	img := newImage("graph", 10<<10)
	m := fields(img.manifest)
	layerOf(m)["data"] = []byte("something else")
	raw := imagetest.Encode(m)
	s := t.servedManifest(img, v1.MediaTypeImageManifest, raw)
	t.must("fetch", s.ref("app:1"), "-o", "images")
	if got := t.read("images/blobs/sha256/" + img.layer(0).Encoded()); !bytes.Equal(got, img.layers[0]) {
		t.Error("the blob is another")
	}
}

// oldImage is the image in Docker's schema 1.
func oldImage(reg *fakeregistry.Registry, img *image) schema1test.Image {
	old := schema1test.Image{Name: "app", Tag: "1", Architecture: "amd64"}
	for _, l := range img.layers {
		old.Layers = append(old.Layers, schema1test.Layer{Blob: reg.PutBlob("app", l).Digest,
			Fields: map[string]any{"os": "linux", "architecture": "amd64"}})
	}
	return old
}

func schemaOne(t *try) {
	s, reg := t.fake()
	img := newImage("graph", 10<<10, 5<<10)
	reg.PutSchema1("app", "1", oldImage(reg, img))
	t.must("fetch", s.ref("app:1"), "-o", "images")
	t.sound("images")
	t.must("save", "images", "-o", "image.tar")
	for i, plain := range img.tars {
		if !bytes.Contains(t.read("image.tar"), plain) {
			t.Errorf("layer %d is not in the tar", i)
		}
	}
}

// schemaOneWrong has a layer more than descriptions of layers.
func schemaOneWrong(t *try) {
	s, reg := t.fake()
	m := fields(oldImage(reg, newImage("graph", 10<<10, 5<<10)).Payload())
	m["history"] = m["history"].([]any)[1:]
	reg.PutManifest("app", "1", "application/vnd.docker.distribution.manifest.v1+json", imagetest.Encode(m))
	t.unfetched(s)
}
