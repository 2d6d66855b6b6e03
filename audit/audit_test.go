package audit_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/audit"
	"drayage/image"
	"drayage/layout"
)

// store is a layout in memory whose blobs can be spoilt.
type store struct {
	t     *testing.T
	files fstest.MapFS
}

func newStore(t *testing.T) *store {
	return &store{t, fstest.MapFS{"oci-layout": {Data: []byte(`{"imageLayoutVersion":"1.0.0"}`)}}}
}

func path(d v1.Descriptor) string { return "blobs/sha256/" + d.Digest.Encoded() }

func (s *store) put(mediaType string, raw []byte) v1.Descriptor {
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	s.files[path(d)] = &fstest.MapFile{Data: raw, Mode: 0o644}
	return d
}

func (s *store) putJSON(mediaType string, v any) v1.Descriptor {
	raw, err := json.Marshal(v)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.put(mediaType, raw)
}

func (s *store) layer(content string) v1.Descriptor {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(content))
	if err := errors.Join(err, z.Close()); err != nil {
		s.t.Fatal(err)
	}
	return s.put(v1.MediaTypeImageLayerGzip, b.Bytes())
}

// sample is an index over one image of two layers.
type sample struct{ index, manifest, config, base, top v1.Descriptor }

func (s *store) image(top, topDiff string) sample {
	m := sample{base: s.layer("base"), top: s.layer(top)}
	c := v1.Image{Platform: v1.Platform{OS: "linux", Architecture: "amd64"}}
	c.RootFS = v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString("base"),
		digest.FromString(topDiff)}}
	m.config = s.putJSON(v1.MediaTypeImageConfig, c)
	doc := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: m.config,
		Layers: []v1.Descriptor{m.base, m.top}}
	doc.SchemaVersion = 2
	m.manifest = s.putJSON(v1.MediaTypeImageManifest, doc)
	m.index = s.indexOf(m.manifest)
	return m
}

func (s *store) indexOf(children ...v1.Descriptor) v1.Descriptor {
	ix := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: children}
	ix.SchemaVersion = 2
	return s.putJSON(v1.MediaTypeImageIndex, ix)
}

func (s *store) check(roots ...v1.Descriptor) *audit.Report {
	s.t.Helper()
	l, err := layout.New(s.files)
	if err != nil {
		s.t.Fatal(err)
	}
	var targets []audit.Target
	for _, r := range roots {
		targets = append(targets, audit.Target{Root: r, Source: l})
	}
	report, err := audit.Check(s.t.Context(), targets, audit.Options{Jobs: 3})
	if err != nil {
		s.t.Fatal(err)
	}
	return report
}

// A layer that is no tar, such as the image of a file system, is compared with its digest only.
func TestLayerOfAnotherType(t *testing.T) {
	s := newStore(t)
	m := s.image("top", "another diff ID")
	if faults := s.check(m.manifest).Results[0].Faults; len(faults) != 1 {
		t.Errorf("a tar: %v", faults)
	}
	var doc v1.Manifest
	if err := json.Unmarshal(s.files[path(m.manifest)].Data, &doc); err != nil {
		t.Fatal(err)
	}
	doc.Layers[1].MediaType = "application/vnd.oci.image.layer.v1.erofs"
	if r := s.check(s.putJSON(v1.MediaTypeImageManifest, doc)).Results[0]; len(r.Faults) > 0 {
		t.Errorf("erofs: %v", r.Faults)
	}
}

// TestLeftOut checks an image without its base layer, which was left out on purpose.
func TestLeftOut(t *testing.T) {
	s := newStore(t)
	m := s.image("top", "top")
	delete(s.files, path(m.base))
	if faults := s.check(m.index).Results[0].Faults; len(faults) != 1 {
		t.Errorf("without a reason: %v", faults)
	}
	l, err := layout.New(s.files)
	if err != nil {
		t.Fatal(err)
	}
	left := image.Absent{Part: image.PartLayer, Descriptor: m.base, Reason: image.LeftOut}
	target := audit.Target{Root: m.index, Source: l, Absent: []image.Absent{left}}
	report, err := audit.Check(t.Context(), []audit.Target{target}, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r := report.Results[0]; len(r.Faults) > 0 || len(r.Absent) != 1 || r.Absent[0].Reason != image.LeftOut {
		t.Errorf("%+v", r)
	}
	if !report.Reached[m.base.Digest] || report.Blobs != 1 {
		t.Errorf("%d blobs were read", report.Blobs)
	}
	left.DiffID = digest.FromString("base")
	wrong := left
	wrong.DiffID = digest.FromString("top")
	targets := []audit.Target{
		{Root: m.index, Source: l, Absent: []image.Absent{left}},
		{Root: m.manifest, Source: l, Absent: []image.Absent{left}},
		{Root: s.indexOf(m.manifest, m.index), Source: l, Absent: []image.Absent{wrong}},
	}
	if report, err = audit.Check(t.Context(), targets, audit.Options{}); err != nil {
		t.Fatal(err)
	}
	if blobs, bytes := report.LeftOut(); blobs != 1 || bytes != m.base.Size {
		t.Errorf("%d blobs with %d bytes were left out", blobs, bytes)
	}
	for i, want := range []int{0, 0, 1} {
		faults := report.Results[i].Faults
		if len(faults) != want || want > 0 && faults[0].Reason != image.Damaged {
			t.Errorf("target %d: %v", i, faults)
		}
	}
}

func flip(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b }

func TestEveryKindOfBlobAndFault(t *testing.T) {
	kinds := map[string]struct {
		kind image.Part
		of   func(sample) v1.Descriptor
	}{
		"index":    {image.PartManifest, func(m sample) v1.Descriptor { return m.index }},
		"manifest": {image.PartManifest, func(m sample) v1.Descriptor { return m.manifest }},
		"config":   {image.PartConfig, func(m sample) v1.Descriptor { return m.config }},
		"layer":    {image.PartLayer, func(m sample) v1.Descriptor { return m.top }},
	}
	faults := map[string]struct {
		spoil  func([]byte) []byte // nil: the file is removed
		reason string
	}{
		"flipped":   {flip, "the bytes hash to"},
		"truncated": {func(b []byte) []byte { return b[:len(b)-3] }, "only"},
		"longer":    {func(b []byte) []byte { return append(bytes.Clone(b), 'x') }, "more than"},
		"missing":   {nil, "missing"},
	}
	for name, k := range kinds {
		for fault, f := range faults {
			t.Run(name+" "+fault, func(t *testing.T) {
				s := newStore(t)
				m, good := s.image("top", "top"), s.image("other", "other")
				bad := k.of(m)
				if f.spoil == nil {
					delete(s.files, path(bad))
				} else {
					s.files[path(bad)].Data = f.spoil(s.files[path(bad)].Data)
				}
				r := s.check(m.index, good.index)
				if n := len(r.Results[1].Faults); n > 0 {
					t.Errorf("the other image: %v", r.Results[1].Faults)
				}
				got := r.Results[0].Faults
				if len(got) != 1 || got[0].Part != k.kind || got[0].Descriptor.Digest != bad.Digest ||
					!strings.Contains(got[0].Cause(), f.reason) {
					t.Errorf("%v, want one of %s: %s", got, bad.Digest, f.reason)
				}
			})
		}
	}
}

func TestSharedBlobsAreReadOnceAndBadForAll(t *testing.T) {
	s := newStore(t)
	a, b := s.image("a", "a"), s.image("b", "b")
	if r := s.check(a.index, b.manifest, a.manifest); r.Blobs != 3 ||
		len(r.Results[0].Faults)+len(r.Results[1].Faults)+len(r.Results[2].Faults) > 0 {
		t.Errorf("%d blobs read, want 3: %v", r.Blobs, r.Results)
	}
	s.files[path(a.base)].Data = flip(s.files[path(a.base)].Data)
	for i, r := range s.check(a.index, b.manifest).Results {
		if len(r.Faults) != 1 || r.Faults[0].Descriptor.Digest != a.base.Digest ||
			!errors.Is(r.Faults[0], audit.ErrIntegrity) {
			t.Errorf("image %d: %v", i, r.Faults)
		}
	}
}

func TestWrongDiffIDUnderTheRightDigest(t *testing.T) {
	s := newStore(t)
	m, good := s.image("top", "something else"), s.image("top", "top")
	r := s.check(m.index, good.index)
	if f := r.Results[0].Faults; len(f) != 1 || f[0].Descriptor.Digest != m.top.Digest ||
		!strings.Contains(f[0].Cause(), "the image configuration says "+
			digest.FromString("something else").String()) {
		t.Errorf("%v", f)
	}
	if f := r.Results[1].Faults; len(f) > 0 {
		t.Errorf("the image whose configuration is right: %v", f)
	}
}

// A descriptor may carry the content that it describes, and a reader may take it from there.
func TestDataInDescriptors(t *testing.T) {
	s := newStore(t)
	right := map[string][]byte{}
	carry := func(d v1.Descriptor) v1.Descriptor {
		d.Data = s.files[path(d)].Data
		right[d.Digest.String()] = d.Data
		return d
	}
	m := s.image("top", "top")
	subject := s.image("subject", "subject").manifest
	imageOf := func(spoil v1.Descriptor) v1.Descriptor {
		own := func(d v1.Descriptor) v1.Descriptor {
			if d = carry(d); d.Digest == spoil.Digest {
				d.Data = spoil.Data
			}
			return d
		}
		about := own(subject)
		doc := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: own(m.config),
			Layers: []v1.Descriptor{own(m.base), own(m.top)}, Subject: &about}
		doc.SchemaVersion = 2
		return own(s.indexOf(own(m.manifest), own(s.putJSON(v1.MediaTypeImageManifest, doc))))
	}
	if f := s.check(imageOf(v1.Descriptor{})).Results[0].Faults; len(f) > 0 {
		t.Errorf("right data: %v", f)
	}
	for kind, of := range map[image.Part][]v1.Descriptor{image.PartManifest: {m.manifest, subject},
		image.PartConfig: {m.config}, image.PartLayer: {m.base, m.top}} {
		for _, d := range of {
			for _, wrong := range [][]byte{[]byte("x"), flip(right[d.Digest.String()]),
				append(bytes.Clone(right[d.Digest.String()]), 0)} {
				d.Data = wrong
				f := s.check(imageOf(d)).Results[0].Faults
				if len(f) != 1 || f[0].Part != kind || f[0].Descriptor.Digest != d.Digest ||
					!errors.Is(f[0], audit.ErrIntegrity) {
					t.Errorf("%s %s with %d bytes of data: %v", kind, d.Digest, len(wrong), f)
				}
			}
		}
	}
	root := imageOf(v1.Descriptor{})
	root.Data = []byte("x")
	if f := s.check(root).Results[0].Faults; len(f) != 1 || f[0].Descriptor.Digest != root.Digest {
		t.Errorf("an entry of index.json: %v", f)
	}
}

// An artifact has no diff IDs; its blobs are still compared with their digests.
func TestArtifactsAreCheckedByDigest(t *testing.T) {
	s := newStore(t)
	blob := s.put("text/plain", []byte("signature"))
	doc := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: s.put(v1.MediaTypeEmptyJSON, []byte("{}")),
		Layers: []v1.Descriptor{blob}}
	doc.SchemaVersion = 2
	root := s.putJSON(v1.MediaTypeImageManifest, doc)
	if r := s.check(root); len(r.Results[0].Faults) > 0 || !r.Reached[blob.Digest] ||
		!r.Reached[doc.Config.Digest] {
		t.Errorf("%v, reached %v", r.Results[0].Faults, r.Reached)
	}
	s.files[path(blob)].Data = []byte("Signature")
	if f := s.check(root).Results[0].Faults; len(f) != 1 || f[0].Part != image.PartBlob ||
		f[0].Descriptor.Digest != blob.Digest {
		t.Errorf("%v", f)
	}
}

// Of an index nothing may be absent: what container engines leave out, package dockerarchive does not show.
func TestAbsentManifests(t *testing.T) {
	s := newStore(t)
	m := s.image("top", "top")
	absent := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromString("absent"), Size: 6}
	for name, root := range map[string]v1.Descriptor{"one of two": s.indexOf(m.manifest, absent),
		"all": s.indexOf(absent), "nested": s.indexOf(s.indexOf(absent), m.manifest)} {
		if r := s.check(root).Results[0]; len(r.Faults) != 1 || r.Faults[0].Descriptor.Digest != absent.Digest ||
			r.Faults[0].Cause() != "missing" || len(r.Absent) > 0 {
			t.Errorf("%s: %v, absent %v", name, r.Faults, r.Absent)
		}
	}
}

func TestCheckTellsProgressAndStops(t *testing.T) {
	s := newStore(t)
	m := s.image("top", "top")
	l, err := layout.New(s.files)
	if err != nil {
		t.Fatal(err)
	}
	targets := []audit.Target{{Root: m.index, Source: l}}
	var mu sync.Mutex
	left := map[digest.Digest]int64{}
	found := map[int]int{}
	opts := audit.Options{
		Found: func(target int, blobs []v1.Descriptor) { found[target] = len(blobs) },
		Planned: func(blobs []v1.Descriptor) {
			for _, d := range blobs {
				left[d.Digest] = d.Size
			}
		},
		Progress: func(d v1.Descriptor, read int64) {
			mu.Lock()
			defer mu.Unlock()
			if read == d.Size {
				delete(left, d.Digest)
			}
		},
	}
	if r, err := audit.Check(t.Context(), targets, opts); err != nil || r.Bytes != m.base.Size+m.top.Size ||
		len(left) > 0 {
		t.Errorf("%+v, %v; not told of %v", r, err, left)
	}
	if len(found) != 1 || found[0] != 2 {
		t.Errorf("blobs of the targets: %v", found)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := audit.Check(ctx, targets, audit.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's error", err)
	}
}

// Whoever has opened an image checks it from its own source.
func TestCheckOfAnOpenedImage(t *testing.T) {
	s := newStore(t)
	m := s.image("top", "top")
	l, err := layout.New(s.files)
	if err != nil {
		t.Fatal(err)
	}
	im, err := image.Open(t.Context(), l, m.index, image.Selection{All: true})
	if err != nil {
		t.Fatal(err)
	}
	report, err := audit.Check(t.Context(), []audit.Target{{Root: im.Root, Source: im.Source}}, audit.Options{})
	if err != nil || len(report.Results[0].Faults) > 0 || report.Blobs != 2 {
		t.Errorf("%+v, %v", report, err)
	}
	nowhere := &image.MemorySource{}
	if report, err = audit.Check(t.Context(), []audit.Target{{Root: m.index, Source: nowhere}},
		audit.Options{}); err != nil {
		t.Fatal(err)
	}
	if f := report.Results[0].Faults; len(f) != 1 || f[0].Reason != image.Missing {
		t.Errorf("of an empty source: %v", f)
	}
}
