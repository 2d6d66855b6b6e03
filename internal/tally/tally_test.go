package tally_test

import (
	"math"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/tally"
)

func TestTally(t *testing.T) {
	a := v1.Descriptor{Digest: digest.FromString("a"), Size: 3000}
	b := v1.Descriptor{Digest: digest.FromString("b")} // in a stream: its size is known when it comes
	s := tally.New(nil)
	s.Plan([]v1.Descriptor{a, b, a})
	s.Update(a, 1000) // there before
	s.Update(a, 2500)
	b.Size = 500
	s.Update(b, 0)
	s.Update(b, 500)
	s.Update(v1.Descriptor{Digest: digest.FromString("unplanned"), Size: 9}, 9)
	sum := s.Sum()
	if sum.Total != 3500 || sum.Held != 3000 || sum.Moved != 2000 || sum.Present != 1000 ||
		sum.Ready != 1 || sum.Blobs != 2 {
		t.Errorf("%+v", sum)
	}
	s.Update(a, 3000)
	s.Update(a, 0) // begun anew
	if sum := s.Sum(); sum.Ready != 1 || sum.Moved != 500 || sum.Present != 0 {
		t.Errorf("begun anew: what was there was wrong: %+v", sum)
	}
	s.Update(a, 3000)
	if text := s.Sum().String(); !strings.HasPrefix(text, "3.5 kB written in ") {
		t.Error(text)
	}
}

// Wild case 38: descriptors may promise more bytes together than a number holds.
func TestWild38SumsDoNotOverflow(t *testing.T) {
	s := tally.New(nil)
	var all []v1.Descriptor
	for i := range 20_000 {
		all = append(all, v1.Descriptor{Digest: digest.FromString(strconv.Itoa(i)), Size: 1 << 50})
	}
	s.Plan(all)
	if sum := s.Sum(); sum.Total != math.MaxInt64 || sum.Held != 0 {
		t.Errorf("%+v", sum)
	}
	for _, d := range all[:9000] {
		s.Update(d, d.Size)
	}
	if sum := s.Sum(); sum.Held != math.MaxInt64 || sum.Present != math.MaxInt64 || sum.Moved != 0 {
		t.Errorf("%+v", sum)
	}
}

func TestWhatCrossedTheNetwork(t *testing.T) {
	a := v1.Descriptor{Digest: digest.FromString("a"), Size: 1000}
	wire := int64(50) // before the plan: configurations, perhaps
	s := tally.New(func() int64 { return wire })
	s.Plan([]v1.Descriptor{a})
	s.Update(a, 0)
	wire += 400
	s.Update(a, 1000)
	sum := s.Sum()
	if sum.Moved != 450 || sum.Held != 1000 || !strings.HasPrefix(sum.String(), "450 B transferred in ") {
		t.Errorf("%+v: %s", sum, sum)
	}
}

func TestTheImageThatMovesIsNamed(t *testing.T) {
	blob := func(name string) v1.Descriptor { return v1.Descriptor{Digest: digest.FromString(name), Size: 10} }
	base, one, two := blob("base"), blob("one"), blob("two")
	s := tally.New(nil)
	s.Name("first", []v1.Descriptor{base, one, base})
	s.Plan([]v1.Descriptor{base, one, two})
	s.Name("second", []v1.Descriptor{base, two})
	is := func(when, image string, images int) {
		t.Helper()
		if sum := s.Sum(); sum.Image != image || sum.Images != images {
			t.Errorf("%s: %q and %d, want %q and %d", when, sum.Image, sum.Images, image, images)
		}
	}
	is("planned", "", 2)
	for _, d := range []v1.Descriptor{base, one, two} {
		s.Update(d, 0)
	}
	is("begun", "", 2)
	s.Update(base, 5)
	is("base moves", "first", 2)
	s.Update(two, 5)
	is("the second moves too", "first", 2)
	s.Update(base, 10)
	s.Update(one, 10)
	is("the first is done", "first", 1)
	s.Update(two, 6)
	is("the second goes on", "second", 1)
	s.Update(one, 0)
	is("the first begins anew", "second", 2)
	s.Update(one, 10)
	s.Update(two, 10)
	is("all done", "second", 0)
}

// What no plan has does not count, whatever image has it, and a later plan finds who waits for it.
func TestImagesNamedBeforeThePlan(t *testing.T) {
	tl := tally.New(nil)
	a := v1.Descriptor{Digest: digest.FromString("a"), Size: 10}
	b := v1.Descriptor{Digest: digest.FromString("b"), Size: 5}
	tl.Name("one", []v1.Descriptor{a, b, a})
	tl.Name("two", []v1.Descriptor{b, a, b})
	tl.Name("three", []v1.Descriptor{a})
	if s := tl.Sum(); s.Blobs != 0 || s.Total != 0 || s.Images != 0 {
		t.Errorf("before a plan: %+v", s)
	}
	tl.Plan([]v1.Descriptor{a})
	tl.Update(b, 5)
	if s := tl.Sum(); s.Blobs != 1 || s.Total != 10 || s.Held != 0 || s.Images != 3 {
		t.Errorf("with one of two blobs in the plan: %+v", s)
	}
	counted := map[digest.Digest]bool{}
	if n := tl.Held([]v1.Descriptor{b}, counted); n != 0 || len(counted) != 0 {
		t.Errorf("%d bytes are held of what no plan has, %v", n, counted)
	}
	tl.Update(a, 0)
	tl.Update(a, 10)
	if s := tl.Sum(); s.Images != 0 || s.Ready != 1 {
		t.Errorf("in the end: %+v", s)
	}
}

// There may be very many blobs, each of one image.
func TestEachBlobTakesLittle(t *testing.T) {
	const many, most = 50_000, 110
	live := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what pools have
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	blobs := make([]v1.Descriptor, many)
	for i := range blobs {
		blobs[i] = v1.Descriptor{Digest: digest.FromString(strconv.Itoa(i)), Size: 1}
	}
	tl, before := tally.New(nil), live()
	for i := range blobs {
		tl.Name("image", blobs[i:i+1])
	}
	tl.Plan(blobs)
	if each := (live() - before) / many; each > most {
		t.Errorf("a blob of an image takes %d bytes, at most %d are meant to be", each, most)
	} else {
		t.Logf("a blob of an image takes %d bytes", each)
	}
	runtime.KeepAlive(tl)
	runtime.KeepAlive(blobs)
}
