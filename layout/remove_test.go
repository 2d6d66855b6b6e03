package layout_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/layout"
)

// signed makes a layout of two images with a common layer. Two names lead to the first. A signature belongs
// to it, and an attestation to that, and one SBOM to both images.
func signed(t *testing.T) *shop {
	s := newShop(t)
	a, b := s.image("{}", nil, "shared", "only a"), s.image(`{"b":1}`, nil, "shared", "only b")
	sig := s.image(`{"sig":1}`, &a, "signature")
	att := s.image(`{"att":1}`, &sig, "attestation")
	sbom := s.image(`{"sbom":1}`, nil, "sbom")
	s.enter(name(a, "a:1"), name(a, "a:again"), name(b, "b:1"),
		layout.Entry{Descriptor: sig, Subject: a.Digest},
		layout.Entry{Descriptor: att, Subject: sig.Digest},
		layout.Entry{Descriptor: sbom, Subject: a.Digest}, layout.Entry{Descriptor: sbom, Subject: b.Digest})
	s.settled()
	return s
}

func TestRemove(t *testing.T) {
	for _, c := range []struct {
		what           string
		remove         []string
		removed, along int
		names          []string // that stay
		blobs          []string // that stay after Collect
	}{
		{what: "one of two names", remove: []string{"/a:1"}, removed: 1,
			names: []string{"corp.test/a:again", "corp.test/b:1", "", "", "", ""},
			blobs: []string{"attestation", "only a", "only b", "sbom", "shared", "signature"}},
		{what: "both names", remove: []string{"/a:1", "/a:again"}, removed: 2, along: 3,
			names: []string{"corp.test/b:1", ""}, blobs: []string{"only b", "sbom", "shared"}},
		{what: "another image", remove: []string{"/b:1"}, removed: 1, along: 1,
			names: []string{"corp.test/a:1", "corp.test/a:again", "", "", ""},
			blobs: []string{"attestation", "only a", "sbom", "shared", "signature"}},
		{what: "all", remove: []string{":1", ":again"}, removed: 3, along: 4},
	} {
		s := signed(t)
		before := tree(t, s.Path())
		would, err := s.Remove(t.Context(), places(c.remove...), true)
		if err != nil {
			t.Fatal(err)
		}
		same(t, c.what+": after a dry run", before, tree(t, s.Path()))
		did, err := s.Remove(t.Context(), places(c.remove...), false)
		if err != nil {
			t.Fatal(err)
		}
		same(t, c.what+": dry run and run", would, did)
		if len(did.Removed) != c.removed || len(did.Along) != c.along {
			t.Errorf("%s: %d removed, %d along", c.what, len(did.Removed), len(did.Along))
		}
		names := s.names()
		slices.Sort(names)
		slices.Sort(c.names)
		same(t, c.what+": names", c.names, names)
		if got := s.collect(layout.CollectOptions{}); got.Bytes != did.Bytes || got.Blobs != did.Blobs {
			t.Errorf("%s: %+v were collected, %+v announced", c.what, got, did)
		}
		same(t, c.what+": blobs", c.blobs, s.stored())
	}
}

// A referrer that is removed itself takes those with it that belong to it. What belongs to an image that is
// not here goes only if it is chosen.
func TestRemoveReferrers(t *testing.T) {
	s := newShop(t)
	a := s.image("{}", nil, "a")
	sig := s.image(`{"sig":1}`, &a, "signature")
	att := s.image(`{"att":1}`, &sig, "attestation")
	elsewhere := v1.Descriptor{MediaType: a.MediaType, Digest: "sha256:" + v1Zero, Size: 1}
	orphan := s.image(`{"orphan":1}`, &elsewhere, "orphan")
	tagged := name(sig, "a:sha256-"+a.Digest.Encoded()+".sig")
	s.enter(name(a, "a:1"), tagged, layout.Entry{Descriptor: att, Subject: sig.Digest},
		layout.Entry{Descriptor: orphan, Subject: elsewhere.Digest})
	s.settled()
	did, err := s.Remove(t.Context(), places(".sig"), false)
	if err != nil || len(did.Removed) != 1 || len(did.Along) != 1 {
		t.Errorf("%+v, %v", did, err)
	}
	did, err = s.Remove(t.Context(), places("/a:1"), false)
	if err != nil || len(did.Removed) != 1 || len(did.Along) != 0 {
		t.Errorf("%+v, %v", did, err)
	}
	s.collect(layout.CollectOptions{})
	same(t, "left", []string{"orphan"}, s.stored())
}

const v1Zero = "0000000000000000000000000000000000000000000000000000000000000000"

func TestRemoveChoosesNothing(t *testing.T) {
	s := signed(t)
	before := tree(t, s.Path())
	none := errors.New("none")
	_, err := s.Remove(t.Context(), func([]layout.Image) ([]int, error) { return nil, none }, false)
	if !errors.Is(err, none) {
		t.Error(err)
	}
	same(t, "after it", before, tree(t, s.Path()))
}

// A dry run makes no file, not even to lock it: layouts are looked at on read-only disks too.
func TestDryRunsMakeNothing(t *testing.T) {
	s := signed(t)
	s.settled()
	if err := os.RemoveAll(filepath.Join(s.Path(), ".drayage")); err != nil {
		t.Fatal(err)
	}
	all := func(images []layout.Image) (at []int, err error) {
		for i := range images {
			at = append(at, i)
		}
		return at, nil
	}
	before := tree(t, s.Path())
	done, err := s.Remove(t.Context(), all, true)
	if err != nil || len(done.Removed) == 0 {
		t.Errorf("%+v, %v", done, err)
	}
	if _, err := s.Collect(t.Context(), layout.CollectOptions{DryRun: true}); err != nil {
		t.Error(err)
	}
	same(t, "after it", before, tree(t, s.Path()))
	if _, err := os.Lstat(filepath.Join(s.Path(), ".drayage")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a directory for the lock: %v", err)
	}
}

func TestAddName(t *testing.T) {
	s := signed(t)
	of, old, err := s.AddName(t.Context(), places("/b:1"), "corp.test/c:2", "2")
	if err != nil || of.Name != "corp.test/b:1" || old.Digest != "" {
		t.Fatalf("%+v, %+v, %v", of, old, err)
	}
	of, old, err = s.AddName(t.Context(), places("/a:1"), "corp.test/c:2", "2")
	if err != nil || of.Name != "corp.test/a:1" || old.Digest == "" || old.Digest == of.Descriptor.Digest {
		t.Fatalf("%+v, %+v, %v", of, old, err)
	}
	found, err := s.Find("corp.test/c:2")
	if err != nil || len(found) != 1 || found[0].Descriptor.Digest != of.Descriptor.Digest ||
		found[0].Ref != "2" {
		t.Errorf("%+v, %v", found, err)
	}
}
