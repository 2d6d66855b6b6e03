package roundtrip

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/sample"
)

// annotationName is where containerd keeps the whole reference of an image in a layout.
const annotationName = "io.containerd.image.name"

// hash reads rc to its end and closes it.
func hash(t *testing.T, rc io.ReadCloser) digest.Digest {
	t.Helper()
	defer rc.Close()
	dgst, err := digest.FromReader(rc)
	if err != nil {
		t.Fatal(err)
	}
	return dgst
}

// hashUnpacked hashes what a layer holds, gzipped, in zstd or plain, and closes it.
func hashUnpacked(t *testing.T, rc io.ReadCloser) digest.Digest {
	t.Helper()
	defer rc.Close()
	buffered := bufio.NewReader(rc)
	magic, _ := buffered.Peek(4)
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		zr, err := gzip.NewReader(buffered)
		if err != nil {
			t.Fatal(err)
		}
		return hash(t, zr)
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		zr, err := zstd.NewReader(buffered)
		if err != nil {
			t.Fatal(err)
		}
		return hash(t, zr.IOReadCloser())
	}
	return hash(t, io.NopCloser(buffered))
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// checkSameFile compares two files without showing their bytes.
func checkSameFile(t *testing.T, a, b string) {
	t.Helper()
	if !bytes.Equal(readFile(t, a), readFile(t, b)) {
		t.Errorf("%s and %s differ", filepath.Base(a), filepath.Base(b))
	}
}

// blobFile is where a layout keeps a blob.
func blobFile(dir string, dgst digest.Digest) string {
	return filepath.Join(dir, "blobs", dgst.Algorithm().String(), dgst.Encoded())
}

// readLayout returns what index.json names, by full reference, after it has hashed every blob in the
// directory.
func readLayout(t *testing.T, dir string) map[string]v1.Descriptor {
	t.Helper()
	blobs := filepath.Join(dir, "blobs", "sha256")
	err := filepath.WalkDir(blobs, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		if got := hash(t, f); got.Encoded() != entry.Name() {
			t.Errorf("layout: blob %s holds the bytes of %s", entry.Name(), got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var index v1.Index
	if err := json.Unmarshal(readFile(t, filepath.Join(dir, v1.ImageIndexFile)), &index); err != nil {
		t.Fatal(err)
	}
	named := map[string]v1.Descriptor{}
	for _, desc := range index.Manifests {
		named[desc.Annotations[annotationName]] = desc
	}
	return named
}

// checkInLayout checks that a layout names an image and has it whole.
func checkInLayout(t *testing.T, dir, name string, want sample.Platform) {
	t.Helper()
	desc, ok := readLayout(t, dir)[name]
	if !ok {
		t.Fatalf("the layout does not name %s", name)
	}
	if desc.Digest != want.Manifest.Digest {
		t.Fatalf("the layout has %s as %s, want %s", name, desc.Digest, want.Manifest.Digest)
	}
	got := readIdentity(t, readFile(t, blobFile(dir, desc.Digest)), func(dgst digest.Digest) io.ReadCloser {
		f, err := os.Open(blobFile(dir, dgst))
		if err != nil {
			t.Fatal(err)
		}
		return f
	})
	if !got.equal(identityOf(want)) {
		t.Errorf("%s in the layout is %v, want %v", name, got, identityOf(want))
	}
}

// savedImage is one entry of a docker-save tar, hashed from the tar's own bytes.
type savedImage struct {
	identity
	tags []string
}

// readTar reads a docker-save tar the way docker load does: by manifest.json.
func readTar(t *testing.T, name string) []savedImage {
	t.Helper()
	var entries []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	hashes := map[string]digest.Digest{}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for tr := tar.NewReader(f); ; {
		header, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if header.Name == "manifest.json" {
			if err := json.NewDecoder(tr).Decode(&entries); err != nil {
				t.Fatal(err)
			}
			continue
		}
		hashes[header.Name] = hashUnpacked(t, io.NopCloser(tr))
	}
	var images []savedImage
	for _, e := range entries {
		img := savedImage{tags: e.RepoTags, identity: identity{id: hashes[e.Config]}}
		if !strings.Contains(e.Config, img.id.Encoded()) {
			t.Errorf("%s: config %q hashes to %s", filepath.Base(name), e.Config, img.id)
		}
		for _, layer := range e.Layers {
			img.diffIDs = append(img.diffIDs, hashes[layer])
		}
		images = append(images, img)
	}
	return images
}

// checkSaved checks that a tar holds exactly one image, under one tag.
func checkSaved(t *testing.T, name, tag string, want sample.Platform) {
	t.Helper()
	images := readTar(t, name)
	if len(images) != 1 || len(images[0].tags) != 1 {
		t.Fatalf("the tar holds %+v, want one image with one tag", images)
	}
	if images[0].tags[0] != tag {
		t.Errorf("the tar names it %q, want %q", images[0].tags[0], tag)
	}
	if !images[0].equal(identityOf(want)) {
		t.Errorf("the tar holds %v, want %v", images[0].identity, identityOf(want))
	}
}
