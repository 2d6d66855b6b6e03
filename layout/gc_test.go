package layout_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/filelock"
	tt "drayage/internal/transfertest"
	"drayage/layout"
)

// shop is a layout to put images into.
type shop struct {
	*testing.T
	*layout.Dir
}

func newShop(t *testing.T) *shop {
	return &shop{t, create(t, filepath.Join(t.TempDir(), "images"))}
}

// again opens the layout once more, as another process would.
func (s *shop) again() *layout.Dir {
	s.Helper()
	d, err := layout.OpenDir(s.Path())
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { d.Close() })
	return d
}

// settled returns the layout without the claims of those who filled it.
func (s *shop) settled() *layout.Dir {
	s.Close()
	s.Dir = s.again()
	return s.Dir
}

func (s *shop) blob(mediaType, content string) v1.Descriptor {
	s.Helper()
	desc := image.Describe(mediaType, []byte(content))
	if err := s.Push(s.Context(), desc, &tt.Source{Content: []byte(content)}, nil); err != nil {
		s.Fatal(err)
	}
	return desc
}

func (s *shop) document(mediaType string, doc any) v1.Descriptor {
	s.Helper()
	raw, err := json.Marshal(doc)
	if err != nil {
		s.Fatal(err)
	}
	return s.blob(mediaType, string(raw))
}

// image stores an image of a configuration and layers with these contents. Subject may be nil.
func (s *shop) image(config string, subject *v1.Descriptor, layers ...string) v1.Descriptor {
	s.Helper()
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Subject: subject, Layers: []v1.Descriptor{}}
	m.SchemaVersion = 2
	m.Config = s.blob(v1.MediaTypeImageConfig, config)
	for _, l := range layers {
		m.Layers = append(m.Layers, s.blob(v1.MediaTypeImageLayer, l))
	}
	return s.document(v1.MediaTypeImageManifest, m)
}

func (s *shop) enter(entries ...layout.Entry) {
	s.Helper()
	if _, err := s.Enter(s.Context(), entries); err != nil {
		s.Fatal(err)
	}
}

func (s *shop) names() (all []string) {
	s.Helper()
	images, err := s.Images()
	if err != nil {
		s.Fatal(err)
	}
	for _, im := range images {
		all = append(all, im.Label())
	}
	return all
}

func (s *shop) collect(opts layout.CollectOptions) *layout.Collected {
	s.Helper()
	c, err := s.again().Collect(s.Context(), opts)
	if err != nil {
		s.Fatal(err)
	}
	return c
}

// stored lists the contents of all blobs that are no JSON.
func (s *shop) stored() (all []string) {
	for _, content := range blobs(s.T, s.Path()) {
		if !strings.HasPrefix(content, "{") {
			all = append(all, content)
		}
	}
	slices.Sort(all)
	return all
}

func name(d v1.Descriptor, name string) layout.Entry {
	return layout.Entry{Descriptor: d, Name: "corp.test/" + name, Tag: name[strings.IndexByte(name, ':')+1:]}
}

// places is a Chooser of entries by what their names end in.
func places(ends ...string) layout.Chooser {
	return func(all []layout.Image) (at []int, _ error) {
		for i, im := range all {
			if slices.ContainsFunc(ends, func(e string) bool { return strings.HasSuffix(im.Label(), e) }) {
				at = append(at, i)
			}
		}
		return at, nil
	}
}

func TestCollect(t *testing.T) {
	s := newShop(t)
	a, b := s.image("{}", nil, "shared", "only a"), s.image(`{"b":1}`, nil, "shared", "only b")
	ix := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{b}}
	ix.SchemaVersion = 2
	s.enter(name(a, "a:1"), name(s.document(v1.MediaTypeImageIndex, ix), "b:1"))
	s.image(`{"c":1}`, nil, "shared", "nobody's")
	old := tree(t, s.Path())
	s.settled()
	want := layout.Collected{Blobs: 3}
	for path, content := range old {
		if strings.Contains(content, `"c":1`) || content == "nobody's" ||
			strings.Contains(content, digest.FromString("nobody's").String()) {
			want.Bytes += int64(len(content))
			delete(old, path)
		}
	}
	same(t, "dry run", want, *s.collect(layout.CollectOptions{DryRun: true}))
	same(t, "after a dry run", []string{"nobody's", "only a", "only b", "shared"}, s.stored())
	same(t, "collected", want, *s.collect(layout.CollectOptions{}))
	same(t, "left", old, tree(t, s.Path()))
	same(t, "once more", layout.Collected{}, *s.collect(layout.CollectOptions{}))
}

// What a writer has stored, or has found there, stays until the writer ends, be it named or not.
func TestCollectBesideAWriter(t *testing.T) {
	s := newShop(t)
	s.blob("", "found")
	s.settled()
	writer := create(t, s.Path())
	for _, content := range []string{"found", "new"} {
		src := &tt.Source{Content: []byte(content)}
		if err := writer.Push(t.Context(), image.Describe("", []byte(content)), src, nil); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "beside it", layout.Collected{Needed: 2, NeededBytes: 8}, *s.collect(layout.CollectOptions{}))
	writer.Close()
	same(t, "after it", layout.Collected{Blobs: 2, Bytes: 8}, *s.collect(layout.CollectOptions{}))
	same(t, "left", []string(nil), s.stored())
}

// A writer that was killed leaves its claims behind, which nobody holds a lock on. The next writer removes
// them, or Collect.
func TestCollectAfterAKill(t *testing.T) {
	s := newShop(t)
	lost := s.blob("", "lost")
	s.settled()
	claim := filepath.Join(s.Path(), ".drayage", "claim-DEAD")
	write(t, claim, lost.Digest.String()+"\n")
	same(t, "collected", layout.Collected{Blobs: 1, Bytes: 4}, *s.collect(layout.CollectOptions{}))
	if _, err := os.Stat(claim); err == nil {
		t.Error("the claims are still there")
	}
	write(t, claim, lost.Digest.String()+"\n")
	writer := create(t, s.Path())
	if err := writer.Claim(t.Context(), []v1.Descriptor{lost}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(claim); err == nil {
		t.Error("the claims are still there")
	}
}

// What a damaged manifest needs cannot be told. So nothing is removed.
func TestCollectStopsAtDamage(t *testing.T) {
	s := newShop(t)
	a := s.image("{}", nil, "layer")
	s.enter(name(a, "a:1"))
	s.blob("", "nobody's")
	s.settled()
	path := filepath.Join(s.Path(), "blobs/sha256", a.Digest.Encoded())
	write(t, path, strings.Repeat("x", int(a.Size)))
	_, err := s.Collect(t.Context(), layout.CollectOptions{})
	if !errors.Is(err, layout.ErrIntegrity) || !strings.Contains(err.Error(), "corp.test/a:1") {
		t.Errorf("%v", err)
	}
	same(t, "left", []string{"layer", "nobody's", strings.Repeat("x", int(a.Size))}, s.stored())
	// One that is not there needs nothing: whoever fetches it again brings the rest too.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if c := s.collect(layout.CollectOptions{}); c.Blobs != 3 {
		t.Errorf("%+v", c)
	}
}

// Of a document that drayage does not understand everything stays that it mentions.
func TestCollectKeepsWhatIsMentioned(t *testing.T) {
	s := newShop(t)
	inner := s.image("{}", nil, "inner")
	layer := s.blob("", "layer")
	s.enter(
		name(s.blob(image.Schema1Signed, fmt.Sprintf(`{"schemaVersion":1,"fsLayers":[{"blobSum":%q}]}`,
			layer.Digest)), "old:1"),
		name(s.blob("application/x", fmt.Sprintf(`{"parts":{"x":[%q]}}`, inner.Digest)), "odd:1"))
	s.settled()
	same(t, "collected", layout.Collected{}, *s.collect(layout.CollectOptions{}))
}

func TestCollectWithoutLocks(t *testing.T) {
	s := newShop(t)
	s.blob("", "nobody's")
	s.settled()
	defer filelock.Without(errors.New("no locks"))()
	if _, err := s.Collect(t.Context(), layout.CollectOptions{}); !errors.Is(err, layout.ErrNoLocks) {
		t.Errorf("%v", err)
	}
	same(t, "left", []string{"nobody's"}, s.stored())
	same(t, "collected", layout.Collected{Blobs: 1, Bytes: 8}, *s.collect(layout.CollectOptions{Alone: true}))
}

func TestCollectByAge(t *testing.T) {
	s := newShop(t)
	old := s.blob("", "old")
	s.blob("", "young")
	s.settled()
	before := time.Now().Add(-2 * time.Hour)
	path := filepath.Join(s.Path(), "blobs/sha256", old.Digest.Encoded())
	if err := os.Chtimes(path, before, before); err != nil {
		t.Fatal(err)
	}
	want := layout.Collected{Blobs: 1, Bytes: 3, Young: 1, YoungBytes: 5}
	same(t, "collected", want, *s.collect(layout.CollectOptions{MinAge: time.Hour}))
}

// Unfinished blobs go if nobody is writing them, with their marks. What drayage does not know stays.
func TestCollectPartials(t *testing.T) {
	s := newShop(t)
	s.settled()
	dir := filepath.Join(s.Path(), ".drayage/partial")
	part := func(content string) string {
		return filepath.Join(dir, "sha256-"+digest.FromString(content).Encoded())
	}
	write(t, part("stale"), "st")
	write(t, part("stale")+".mark", "m")
	write(t, part("alone")+".mark", "m")
	write(t, part("held"), "he")
	write(t, part("own")+".ABCDEFGHIJKLM", "own")
	write(t, filepath.Join(s.Path(), "blobs/sha256/note.txt"), "no blob")
	f, err := os.OpenFile(part("held"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := filelock.TryLock(f); err != nil {
		t.Fatal(err)
	}
	same(t, "collected", layout.Collected{Partial: 1, PartialBytes: 2}, *s.collect(layout.CollectOptions{}))
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	want := []string{part("held"), part("own") + ".ABCDEFGHIJKLM"}
	if slices.Sort(want); err != nil || !slices.Equal(left, want) {
		t.Errorf("left: %q, %v", left, err)
	}
	same(t, "not a blob", []string{"no blob"}, s.stored())
}

// No link leads Collect out of the layout.
func TestCollectFollowsNoLink(t *testing.T) {
	s := newShop(t)
	s.settled()
	out := t.TempDir()
	blob := filepath.Join(out, digest.FromString("x").Encoded())
	write(t, blob, "x")
	dir := filepath.Join(s.Path(), "blobs/sha256")
	if err := os.Symlink(blob, filepath.Join(dir, filepath.Base(blob))); err != nil {
		t.Fatal(err)
	}
	same(t, "a link", layout.Collected{}, *s.collect(layout.CollectOptions{}))
	if err := errors.Join(os.RemoveAll(dir), os.Symlink(out, dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Collect(t.Context(), layout.CollectOptions{}); err == nil {
		t.Error("no error about a directory of blobs elsewhere")
	}
	if _, err := os.Stat(blob); err != nil {
		t.Error(err)
	}
}
