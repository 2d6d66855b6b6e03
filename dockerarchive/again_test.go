package dockerarchive_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/dockerarchive"
	"drayage/image"
)

// FuzzSaveAgain checks that what is read of any archive and can be written again is read of that as the same
// images.
func FuzzSaveAgain(f *testing.F) {
	addCorpus(f)
	for _, given := range shapes(f) {
		if raw := written(f, dockerarchive.Docker, dockerarchive.Options{}, given...); len(raw) < 100_000 {
			f.Add(raw)
		}
	}
	for _, raw := range thinShapes(f) {
		f.Add(raw)
	}
	for _, given := range ociShapes(f) {
		if raw := written(f, dockerarchive.OCI, dockerarchive.Options{}, given...); len(raw) < 100_000 {
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := open(raw)
		if err != nil {
			return
		}
		c, err := r.Contents(t.Context())
		if err != nil {
			return
		}
		saveAgain(t, c.Saved)
		layoutAgain(t, c)
	})
}

// small refuses archives that would take more memory than a fuzzer has.
var small = dockerarchive.Options{Jobs: 1, Room: func(bytes int64) error {
	if bytes > 32<<20 {
		return errors.New("too large for a test")
	}
	return nil
}}

// saveAgain writes images in the format of docker save, and reads them.
func saveAgain(t *testing.T, saved []dockerarchive.SavedImage) {
	t.Helper()
	var given []*image.Image
	for _, s := range saved {
		if slices.ContainsFunc(s.Layers, func(l dockerarchive.SavedLayer) bool { return l.Size() > 4<<20 }) {
			return // a sparse file
		}
		im, err := s.Image(t.Context())
		if err != nil {
			return
		}
		given = append(given, im)
	}
	if len(given) == 0 {
		return
	}
	out := &memory{room: 64 << 20}
	if dockerarchive.Write(t.Context(), out, dockerarchive.Docker, given, small) != nil {
		return // a layer is not what its diff ID says
	}
	again, err := images(out.data)
	if err != nil {
		t.Fatalf("written, and not read: %v", err)
	}
	// Images of one ID are one entry, with all names.
	before, after := identities(saved), identities(again)
	if !slices.Equal(before, after) {
		t.Fatalf("of %q became %q", before, after)
	}
}

// identities says what each image is and is called, each once.
func identities(all []dockerarchive.SavedImage) (lines []string) {
	for _, im := range all {
		var ids []string
		for _, l := range im.Layers {
			ids = append(ids, l.DiffID.String())
		}
		line := im.ID.String() + " " + strings.Join(ids, " ")
		lines = append(lines, line)
		for _, n := range im.Names {
			lines = append(lines, line+" "+n)
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// layoutAgain writes what is whole of a layout in OCI's format, and reads it.
func layoutAgain(t *testing.T, c *dockerarchive.Contents) {
	t.Helper()
	if c.Layout == nil {
		return
	}
	listed, err := c.Layout.Images()
	if err != nil {
		t.Fatal(err)
	}
	roots := map[digest.Digest]bool{}
	var given []*image.Image
	for _, im := range listed {
		w, err := image.Open(t.Context(), c.Layout, im.Descriptor, image.Selection{All: true})
		if err != nil || c.Faults[im.Descriptor.Digest] != nil {
			continue
		}
		w.LeaveOut(c.Absent[im.Descriptor.Digest])
		w.Subject = im.Subject
		if im.Name != "" {
			w.Names = []string{im.Name}
		}
		given, roots[im.Descriptor.Digest] = append(given, w), true
	}
	if len(given) == 0 {
		return
	}
	out := &memory{room: 64 << 20}
	if dockerarchive.Write(t.Context(), out, dockerarchive.OCI, given, small) != nil {
		return // a blob is not what its digest says
	}
	if !bytes.HasSuffix(out.data, make([]byte, 1024)) {
		t.Fatal("the archive has no end")
	}
	r, err := open(out.data)
	if err != nil {
		t.Fatalf("written, and not read: %v", err)
	}
	again, err := r.Contents(t.Context())
	if err != nil || again.Layout == nil || len(again.Faults) > 0 {
		t.Fatalf("written, and read as %+v, %v", again, err)
	}
	found, err := again.Layout.Images()
	if err != nil {
		t.Fatal(err)
	}
	for _, im := range found {
		delete(roots, im.Descriptor.Digest)
	}
	if len(roots) > 0 {
		t.Fatalf("written, and not read: %v", roots)
	}
}

// What is wrong with a configuration is wrong with the archive, and no fault of the system.
func TestConfigurationThatIsNone(t *testing.T) {
	for _, config := range []string{"", "[", "null and more", `{"rootfs":{"diff_ids":["sha256:../../x"]}}`,
		strings.Repeat("[", 100_000)} {
		_, err := images(archive(t, index(item("c", nil, "l")), file("c", config), file("l", "layer")))
		if !errors.Is(err, dockerarchive.ErrIntegrity) {
			t.Errorf("%.40q: %v", config, err)
		}
	}
}
