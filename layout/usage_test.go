package layout_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/layout"
)

func (s *shop) usage() *layout.Usage {
	s.Helper()
	u, err := s.Usage(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	return u
}

// what is free after one entry is taken out of a copy of the layout.
func (s *shop) freedBy(entry int) int64 {
	s.Helper()
	dir := filepath.Join(s.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(s.Path())); err != nil {
		s.Fatal(err)
	}
	d, err := layout.OpenDir(dir)
	if err != nil {
		s.Fatal(err)
	}
	defer d.Close()
	if _, err := d.Collect(s.Context(), layout.CollectOptions{}); err != nil {
		s.Fatal(err)
	}
	one := func([]layout.Image) ([]int, error) { return []int{entry}, nil }
	if _, err := d.Remove(s.Context(), one, false); err != nil {
		s.Fatal(err)
	}
	c, err := d.Collect(s.Context(), layout.CollectOptions{})
	if err != nil {
		s.Fatal(err)
	}
	return c.Bytes
}

// A share frees what Remove and Collect free, whatever belongs to whom.
func TestUsageIsWhatRemoveFrees(t *testing.T) {
	s := signed(t)
	a := s.image("{}", nil, "shared", "only a")
	c := s.image(`{"c":1}`, nil, "only c")
	list := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{a, c}}
	list.SchemaVersion = 2
	index := s.document(v1.MediaTypeImageIndex, list)
	lost := s.image(`{"lost":1}`, nil, "of what is not here")
	alone := s.image(`{"alone":1}`, nil, "alone")
	s.enter(name(index, "list:1"), name(alone, "alone:1"),
		layout.Entry{Descriptor: lost, Subject: "sha256:" + v1Zero})
	s.blob("text/plain", "nobody's")
	s.settled()

	u := s.usage()
	heads := 0
	for i, share := range u.Shares {
		if share.Held == layout.Unknown { // a referrer
			continue
		}
		heads++
		if want := s.freedBy(i); share.Frees != want || share.Held < want || share.Err != nil {
			t.Errorf("%s %s: %d of %d are freed, said to be %d, %v", share.Label(), share.Subject, want, share.Held,
				share.Frees, share.Err)
		}
	}
	if heads != 6 {
		t.Errorf("%d heads", heads)
	}
	if u.Unreferenced != 1 || u.UnreferencedBytes != int64(len("nobody's")) || u.Damaged != nil {
		t.Errorf("%+v", u)
	}
	all := int64(0)
	for _, content := range blobs(t, s.Path()) {
		all += int64(len(content))
	}
	if u.Bytes != all || u.Blobs != len(blobs(t, s.Path())) {
		t.Errorf("%d bytes in %d blobs, want %d", u.Bytes, u.Blobs, all)
	}
}

// One manifest that is damaged or missing leaves the others in the list.
func TestUsageOfDamagedImages(t *testing.T) {
	s := newShop(t)
	good, bad := s.image("{}", nil, "good"), s.image(`{"b":1}`, nil, "bad")
	s.enter(name(good, "good:1"), name(bad, "bad:1"))
	path := filepath.Join(s.Path(), "blobs/sha256", bad.Digest.Encoded())
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	u := s.usage()
	check := func(what string, says string, frees int64) {
		t.Helper()
		for _, share := range u.Shares {
			switch share.Name {
			case "corp.test/good:1":
				if share.Err != nil || share.Frees != frees {
					t.Errorf("%s: %d, %v", what, share.Frees, share.Err)
				}
			default:
				if share.Err == nil || !strings.Contains(share.Err.Error(), says) {
					t.Errorf("%s: %v", what, share.Err)
				}
			}
		}
	}
	check("missing", "its manifest is missing", good.Size+int64(len("{}good")))
	if u.Damaged != nil || !errors.Is(u.Shares[0].Err, layout.ErrLacking) {
		t.Errorf("missing: %v, %v", u.Damaged, u.Shares[0].Err)
	}
	write(t, path, "something else")
	u = s.usage()
	check("damaged", bad.Digest.String(), layout.Unknown)
	if !errors.Is(u.Damaged, layout.ErrIntegrity) {
		t.Errorf("damaged: %v", u.Damaged)
	}
}

// Many names of one image with many layers are counted once, and very many images with the same parts are
// refused.
func TestUsageIsBounded(t *testing.T) {
	s := newShop(t)
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: s.blob(v1.MediaTypeImageConfig, "{}")}
	m.SchemaVersion = 2
	for i := range 20_000 {
		layer := image.Describe(v1.MediaTypeImageLayer, fmt.Append(nil, i))
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: "l", Digest: layer.Digest, Size: 1})
	}
	large := s.document(v1.MediaTypeImageManifest, m)
	var entries []layout.Entry
	for i := range 1500 {
		entries = append(entries, name(large, fmt.Sprintf("x:%d", i)))
	}
	s.enter(entries...)
	if u := s.usage(); len(u.Shares) != 1500 || u.Shares[0].Frees != 0 || u.Shares[0].Held != large.Size+2 {
		t.Errorf("%d shares, %+v", len(u.Shares), u.Shares[0])
	}
	for i := range 101 {
		list := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{large}}
		list.SchemaVersion, list.Annotations = 2, map[string]string{"i": fmt.Sprint(i)}
		s.enter(name(s.document(v1.MediaTypeImageIndex, list), fmt.Sprintf("y:%d", i)))
	}
	if _, err := s.Usage(t.Context()); !errors.Is(err, image.ErrTooMany) {
		t.Errorf("101 indexes that lead to 20,000 layers each: %v", err)
	}
}
