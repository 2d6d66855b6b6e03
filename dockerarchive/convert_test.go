package dockerarchive_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
)

// TestUnpackedLayers checks that layers in bzip2 and xz, which no engine expects to find in a layout, become
// plain ones.
func TestUnpackedLayers(t *testing.T) {
	id := digest.FromString(lines)
	got, err := images(archive(t, index(item("c", []string{"a:1"}, "x", "b")), file("c", configOf(id, id)),
		file("x", linesXz), file("b", linesBz2)))
	if err != nil {
		t.Fatal(err)
	}
	im, err := got[0].Image(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := image.AsParallel(im.Source); ok {
		t.Error("the layers would be read in ranges, each from the beginning of what is compressed")
	}
	for _, d := range im.Manifests[0].Document.Layers {
		raw, err := image.ReadAll(t.Context(), im.Source, d, 1<<20)
		if err != nil || string(raw) != lines || d.MediaType != v1.MediaTypeImageLayer || d.Digest != id {
			t.Errorf("%+v: %d bytes, %v", d, len(raw), err)
		}
		for _, c := range [][2]int64{{0, 5}, {10, 0}, {500, 100}, {1024, image.ToEnd}, {1000, image.ToEnd}} {
			part(t, im.Source, d, c[0], c[1])
		}
	}
	again, err := images(written(t, dockerarchive.Docker, dockerarchive.Options{}, im))
	if err != nil || again[0].ID != got[0].ID || content(t, again[0].Layers[1]) != lines {
		t.Errorf("written again: %v, %v", again, err)
	}
	var oci bytes.Buffer
	if err := dockerarchive.Stream(t.Context(), &oci, dockerarchive.OCI, []*image.Image{im},
		dockerarchive.Options{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(oci.String(), lines) {
		t.Error("the layer does not stand in the OCI archive as it is")
	}
}

func part(t *testing.T, src image.Source, d v1.Descriptor, offset, length int64) {
	t.Helper()
	rc, err := src.Open(t.Context(), d, offset, length)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	want := lines[offset:]
	if length != image.ToEnd {
		want = want[:length]
	}
	got := make([]byte, 0, 2048)
	for buf := make([]byte, 7); ; {
		n, err := rc.Read(buf)
		if got = append(got, buf[:n]...); err != nil {
			break
		}
	}
	if string(got) != want {
		t.Errorf("%d bytes from %d on: %q", length, offset, got)
	}
}

func TestUnpackedLayersThatAreWrong(t *testing.T) {
	for name, c := range map[string]struct {
		id   digest.Digest
		body string
	}{
		"another diff ID":      {idA, linesXz},
		"another diff ID, bz2": {idA, linesBz2},
		"another diff ID, gz":  {idA, string(gz(t, nil, []byte(lines)))},
		"another diff ID, zst": {idA, string(zstded.pack(t, []byte(lines)))},
		"cut off, gz":          {digest.FromString(lines), string(gz(t, nil, []byte(lines)))[:20]},
		"cut off":              {digest.FromString(lines), linesXz[:60]},
		"cut off, bz2":         {digest.FromString(lines), linesBz2[:30]},
		"cut in the header":    {digest.FromString(lines), linesXz[:8]},
	} {
		got, err := images(archive(t, index(item("c", nil, "l")), file("c", configOf(c.id)), file("l", c.body)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := got[0].Image(t.Context()); !errors.Is(err, dockerarchive.ErrIntegrity) ||
			!strings.Contains(fmt.Sprint(err), `layer "l"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestV1ArchiveUnpacked has compressed layers in an archive whose diff IDs have to be found out.
func TestV1ArchiveUnpacked(t *testing.T) {
	want, err := images(archive(t, oldLayer("a", "", lines)...))
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{linesXz, linesBz2} {
		got, err := images(archive(t, oldLayer("a", "", body)...))
		if err != nil || got[0].ID != want[0].ID || got[0].Layers[0].DiffID != digest.FromString(lines) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if _, err := images(archive(t, oldLayer("a", "", linesXz[:50])...)); !errors.Is(err,
		dockerarchive.ErrIntegrity) {
		t.Errorf("cut off: %v", err)
	}
}
