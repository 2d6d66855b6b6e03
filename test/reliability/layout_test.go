//go:build linux

package reliability

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// annotationName is where index.json has the full name of an image.
const annotationName = "io.containerd.image.name"

// sound checks what has to be true of a layout at every moment, and returns what index.json names: files that
// are named as blobs are those blobs, index.json can be read, and what it names is there with all that
// belongs to it.
func (t *try) sound(dir string) map[string]v1.Descriptor {
	named := map[string]v1.Descriptor{}
	if !t.exists(dir) {
		return named
	}
	for _, name := range t.files(dir + "/blobs/sha256") {
		if got := digest.FromBytes(t.read(dir + "/blobs/sha256/" + name)); got.Encoded() != name {
			t.Errorf("blob %s holds the bytes of %s", name, got)
		}
	}
	if !t.exists(dir + "/index.json") {
		return named
	}
	var index v1.Index
	if err := json.Unmarshal(t.read(dir+"/index.json"), &index); err != nil {
		t.Fatalf("index.json is damaged: %v", err)
	}
	for _, d := range index.Manifests {
		named[d.Annotations[annotationName]] = d
		t.closed(dir, d)
	}
	return named
}

// closed checks that a layout has a manifest with all that belongs to it.
func (t *try) closed(dir string, d v1.Descriptor) {
	name := dir + "/blobs/sha256/" + d.Digest.Encoded()
	if fi, err := os.Stat(t.path(name)); err != nil || fi.Size() != d.Size {
		t.Errorf("index.json names %s, which is not there whole (%v)", d.Digest, err)
		return
	}
	var m struct {
		Config            *v1.Descriptor
		Layers, Manifests []v1.Descriptor
	}
	if !strings.Contains(d.MediaType, "manifest") && !strings.Contains(d.MediaType, "index") {
		return
	}
	if err := json.Unmarshal(t.read(name), &m); err != nil {
		t.Errorf("manifest %s: %v", d.Digest, err)
		return
	}
	below := append(m.Layers, m.Manifests...)
	if m.Config != nil {
		below = append(below, *m.Config)
	}
	for _, b := range below {
		t.closed(dir, b)
	}
}

// files lists the names of the files below a directory, or none.
func (t *try) files(dir string) []string {
	var names []string
	err := filepath.WalkDir(t.path(dir), func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, strings.TrimPrefix(path, t.path(dir)+"/"))
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// holds checks that a layout has the image under a name, and no remains of the way there.
func (t *try) holds(dir, name string, img *image) {
	if got := t.sound(dir)[name]; got.Digest != img.desc.Digest {
		t.Errorf("the layout has %s as %q, want %s", name, got.Digest, img.desc.Digest)
	}
	if left := t.files(dir + "/.drayage"); !slices.Equal(left, []string{"lock"}) {
		t.Errorf("left behind: %q", left)
	}
}

// lacks checks that a layout is sound and names no such image.
func (t *try) lacks(dir, name string) {
	if got, there := t.sound(dir)[name]; there {
		t.Errorf("the layout names %s, which failed, as %s", name, got.Digest)
	}
}

// savedAs checks that a file is a tar of docker save with exactly this image, and that no part of another is
// beside it.
func (t *try) savedAs(name string, img *image) {
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(t.read(name))); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	var images []savedImage
	if err := json.Unmarshal(files["manifest.json"], &images); err != nil || len(images) != 1 {
		t.Fatalf("%s: %d images, %v", name, len(images), err)
	}
	if !bytes.Equal(files[images[0].Config], img.config) || len(images[0].Layers) != len(img.tars) {
		t.Errorf("%s holds another image", name)
		return
	}
	for i, l := range images[0].Layers {
		if !bytes.Equal(files[l], img.tars[i]) {
			t.Errorf("%s: layer %d is another", name, i)
		}
	}
	if t.exists(name + ".partial") {
		t.Errorf("%s.partial was left behind", name)
	}
}
