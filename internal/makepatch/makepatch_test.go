package makepatch_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/imagetest"
	"drayage/internal/makepatch"
	"drayage/internal/older"
	"drayage/internal/rebuild"
)

// files is the tar of an application. It has n files, and one of them changes with the version.
func files(n int, version byte) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	all := map[string]string{}
	for i := range n {
		raw := make([]byte, 40_000)
		for k := range raw {
			raw[k] = byte(r.Uint32()) & 0x3f
		}
		if i == 0 {
			raw[100] = version
		}
		all[string(rune('a'+i%26))+string(rune('a'+i/26))] = string(raw)
	}
	return imagetest.Tar(all)
}

// world has images in a store, and what of it the far side has.
type world struct {
	imagetest.Store
	t   *testing.T
	far map[digest.Digest]bool
	old []*image.Image
}

func newWorld(t *testing.T) *world {
	return &world{Store: imagetest.NewStore(), t: t, far: map[digest.Digest]bool{}}
}

func (w *world) image(name string, layers ...imagetest.Layer) *image.Image {
	w.t.Helper()
	root := imagetest.Image{Layers: layers}.Put(w.Put)
	im, err := image.Open(w.t.Context(), w, root, image.Selection{All: true})
	if err != nil {
		w.t.Fatal(err)
	}
	im.Names = []string{name}
	return im
}

// older puts an image on the far side.
func (w *world) older(name string, layers ...imagetest.Layer) *image.Image {
	im := w.image(name, layers...)
	for _, d := range im.Blobs {
		w.far[d.Digest] = true
	}
	w.old = append(w.old, im)
	return im
}

// Near implements older.Place.
func (w *world) Near(context.Context, *image.Image) ([]*image.Image, error) { return w.old, nil }

func (w *world) options(j *makepatch.Journal) makepatch.Options {
	has := func(_ context.Context, d v1.Descriptor) (bool, error) { return w.far[d.Digest], nil }
	return makepatch.Options{Finder: &older.Finder{Places: []older.Place{w}, Has: has}, Temp: w.t.TempDir(),
		Journal: j}
}

func (w *world) unnamed() *makepatch.Journal {
	j, err := makepatch.Unnamed(w.t.TempDir())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { j.Close() })
	return j
}

// Find implements rebuild.Finder.
func (w *world) Find(_ context.Context, b image.Base) (v1.Descriptor, image.Source, error) {
	if w.far[b.Digest] {
		return b.Descriptor, w, nil
	}
	return v1.Descriptor{}, nil, nil
}

// rebuilt compares what the far side makes of the patches of an image with its layers.
func (w *world) rebuilt(im *image.Image) {
	w.t.Helper()
	src := rebuild.New(im.Absent, im.Source, w, w.t.TempDir())
	defer src.Close()
	for _, a := range im.Absent {
		r := image.NewReader(w.t.Context(), src, a.Descriptor)
		if _, err := io.Copy(io.Discard, r); err != nil {
			w.t.Error(err)
		}
		r.Close()
	}
}

func TestPatch(t *testing.T) {
	w := newWorld(t)
	base := imagetest.PlainLayer(files(30, 9))
	w.older("corp.test/app:1", base, imagetest.PlainLayer(files(20, 1)))
	im := w.image("corp.test/app:2", base, imagetest.PlainLayer(files(20, 2)))
	im.LeaveOut([]image.Absent{{Part: image.PartLayer, Descriptor: im.Manifests[0].Document.Layers[0],
		Reason: image.LeftOut}})
	twin := w.image("corp.test/twin:2", imagetest.PlainLayer(files(20, 2)))
	all, err := makepatch.Make(t.Context(), []*image.Image{im, twin}, w.options(w.unnamed()))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].Patch == nil || all[0].Saved() < all[0].Layer.Size*9/10 {
		t.Fatalf("%+v", all)
	}
	if how := all[0].Patch.Rebuilt; len(how.Bases) != 1 || how.Bases[0].Digest != w.old[0].Blobs[2].Digest {
		t.Errorf("only the older layer is needed: %+v", how.Bases)
	}
	if len(im.Absent) != 2 || len(twin.Absent) != 1 {
		t.Errorf("absent of the image and of its twin: %v, %v", im.Absent, twin.Absent)
	}
	im.Absent = slices.DeleteFunc(im.Absent, func(a image.Absent) bool { return a.Rebuilt == nil })
	w.rebuilt(im)
	w.rebuilt(twin)
}

// damaged is a gzip layer with a block of a kind that does not exist.
func damaged(l imagetest.Layer) imagetest.Layer {
	l.Content = slices.Clone(l.Content)
	l.Content[10] |= 6
	return l
}

func TestWhole(t *testing.T) {
	random := make([]byte, 300_000)
	r := rand.New(rand.NewPCG(5, 6))
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	encrypted := imagetest.PlainLayer(files(12, 1))
	encrypted.MediaType += "+encrypted"
	gzip := imagetest.GzipLayer(files(12, 1))
	cut := gzip
	cut.Content = cut.Content[:300_000]
	for name, c := range map[string]struct {
		layer imagetest.Layer
		want  makepatch.Reason
	}{
		"zstd":      {imagetest.ZstdLayer(random), makepatch.Zstd},
		"encrypted": {encrypted, makepatch.Encrypted},
		"no gain": {imagetest.PlainLayer(imagetest.Tar(map[string]string{"x": string(random)})),
			makepatch.NoGain},
		"a lie": {imagetest.Layer{MediaType: v1.MediaTypeImageLayer, Content: imagetest.Gzip(random)},
			makepatch.Other},
		"damaged":   {damaged(gzip), makepatch.Other},
		"cut short": {cut, makepatch.Other},
		"small":     {imagetest.PlainLayer([]byte("small")), ""},
	} {
		w := newWorld(t)
		w.older("corp.test/app:1", imagetest.PlainLayer(files(12, 1)))
		im := w.image("corp.test/app:2", c.layer)
		all, err := makepatch.Make(t.Context(), []*image.Image{im}, w.options(w.unnamed()))
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want == "" && len(all) > 0, c.want != "" && (len(all) != 1 || all[0].Reason != c.want):
			t.Errorf("%s: %+v, want %q", name, all, c.want)
		case len(im.Absent) > 0:
			t.Errorf("%s: %v is absent", name, im.Absent)
		}
	}
	w := newWorld(t)
	w.older("corp.test/app:1", imagetest.PlainLayer(files(12, 1)))
	clear(w.far)
	im := w.image("corp.test/app:2", imagetest.PlainLayer(files(12, 2)))
	all, err := makepatch.Make(t.Context(), []*image.Image{im}, w.options(w.unnamed()))
	if err != nil || len(all) != 1 || all[0].Reason != makepatch.NoBase {
		t.Errorf("the far side has nothing: %+v, %v", all, err)
	}
}

// A base that is damaged here, or gone, is of no use; the patch is made without it.
func TestUselessBases(t *testing.T) {
	w := newWorld(t)
	w.older("corp.test/app:1", imagetest.PlainLayer(files(20, 1)))
	w.older("corp.test/app:0", imagetest.PlainLayer(files(20, 0)))
	damaged, gone := w.old[0].Blobs[1].Digest, w.old[1].Blobs[1].Digest
	if w.Content[damaged] == nil {
		t.Fatal("no such layer")
	}
	w.Content[damaged][50_000]++
	im := w.image("corp.test/app:2", imagetest.PlainLayer(files(20, 2)))
	all, err := makepatch.Make(t.Context(), []*image.Image{im}, w.options(w.unnamed()))
	if err != nil || len(all) != 1 || all[0].Patch == nil || all[0].Patch.Rebuilt.Bases[0].Digest != gone {
		t.Fatalf("%+v, %v", all, err)
	}
	delete(w.Content, gone)
	im = w.image("corp.test/app:2", imagetest.PlainLayer(files(20, 2)))
	all, err = makepatch.Make(t.Context(), []*image.Image{im}, w.options(w.unnamed()))
	if err != nil || len(all) != 1 || all[0].Reason != makepatch.NoBase {
		t.Errorf("%+v, %v", all, err)
	}
}

// unreadable fails where a base is read.
type unreadable struct{ image.Source }

func (unreadable) Open(context.Context, v1.Descriptor, int64, int64) (io.ReadCloser, error) {
	return nil, errors.New("it was read")
}

// A run that has made nothing leaves nothing.
func TestEmptyJournal(t *testing.T) {
	out := filepath.Join(t.TempDir(), "new.tar")
	for range 2 {
		j, err := makepatch.Beside(out, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(out)); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// What an earlier run has made is not made again, unless it is damaged.
func TestJournal(t *testing.T) {
	w := newWorld(t)
	w.older("corp.test/app:1", imagetest.PlainLayer(files(20, 1)))
	out := filepath.Join(t.TempDir(), "new.tar")
	run := func(broken bool) ([]makepatch.Outcome, *image.Image, error) {
		t.Helper()
		j, err := makepatch.Beside(out, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		im := w.image("corp.test/app:2", imagetest.PlainLayer(files(20, 2)))
		if broken {
			im.Source = &onlyManifests{im.Source}
		}
		all, err := makepatch.Make(t.Context(), []*image.Image{im}, w.options(j))
		if err == nil && j.Left() == "" {
			t.Error("nothing is kept")
		}
		if err == nil && !broken {
			w.rebuilt(im)
		}
		return all, im, err
	}
	first, _, err := run(false)
	if err != nil || first[0].Patch == nil || first[0].Reused {
		t.Fatalf("%+v, %v", first, err)
	}
	again, _, err := run(true)
	patch := func(o makepatch.Outcome) digest.Digest { return o.Patch.Rebuilt.Patch.Digest }
	if err != nil || !again[0].Reused || patch(again[0]) != patch(first[0]) {
		t.Fatalf("%+v, %v", again, err)
	}
	path := out + ".partial.patches"
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoilt := range map[string][]byte{
		"cut off": raw[:len(raw)-1], "changed": append(slices.Clone(raw[:len(raw)-9]), "123456789"...),
		"of nothing": {}, "another file": []byte("another file"),
		"a bomb": append([]byte("DRYJ\x01\xff\xff\xff\xff"), raw...),
	} {
		if err := os.WriteFile(path, spoilt, 0o600); err != nil {
			t.Fatal(err)
		}
		if all, _, err := run(false); err != nil || all[0].Reused || all[0].Patch == nil {
			t.Errorf("%s: %+v, %v", name, all, err)
		}
	}
	j, err := makepatch.Beside(out, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Remove(), j.Close()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it is still there")
	}
	if _, _, err := run(false); err != nil {
		t.Fatal(err)
	}
	if err := makepatch.Forget(out); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it is still there although it was to be forgotten")
	}
	if err := os.WriteFile(path, []byte("another file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := makepatch.Forget(out); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error("it was no journal, and was removed")
	}
}

// onlyManifests gives out nothing that is large.
type onlyManifests struct{ image.Source }

func (o *onlyManifests) Open(ctx context.Context, d v1.Descriptor, at, n int64) (io.ReadCloser, error) {
	if d.Size > 100_000 {
		return unreadable{}.Open(ctx, d, at, n)
	}
	return o.Source.Open(ctx, d, at, n)
}
