package rebuild_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/imagetest"
	"drayage/internal/rebuild"
	"drayage/internal/verify"
)

func TestRebuild(t *testing.T) {
	s := newSite(t)
	one := s.appended("a base of some length", " and more")
	two := s.appended("a base of some length", " and less")
	src := s.source()
	for _, d := range []v1.Descriptor{one, two, one} {
		if has, err := src.Has(t.Context(), d); !has || err != nil {
			t.Fatal(has, err)
		}
		if err := s.read(src, d); err != nil {
			t.Error(err)
		}
	}
	if s.asked.Load() != 1 || s.opened.Load() != 1 {
		t.Errorf("the base was looked for %d times and read %d times", s.asked.Load(), s.opened.Load())
	}
	if has, _ := src.Has(t.Context(), v1.Descriptor{Digest: one.Digest, Size: one.Size + 1}); has {
		t.Error("a layer of another size")
	}
	_, err := src.Open(t.Context(), v1.Descriptor{Digest: "sha256:x"}, 0, image.ToEnd)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// The first two streams of a layer come from its patch, at any offset. Then it is in a file, and has ranges.
func TestOpenAgain(t *testing.T) {
	s := newSite(t)
	d := s.appended("0123456789", "abcdef")
	src := s.source()
	if _, err := src.Open(t.Context(), d, 2, 3); !errors.Is(err, image.ErrNoRanges) {
		t.Error(err)
	}
	for i, want := range []string{"0123456789abcdef", "89abcdef", "bcdef"} {
		if got := part(t, src, d, int64(len("0123456789abcdef")-len(want)), image.ToEnd); string(got) != want {
			t.Errorf("%d: %q", i, got)
		}
	}
	if got := part(t, src, d, 8, 4); string(got) != "89ab" {
		t.Errorf("a range: %q", got)
	}
	clear(s.archive.Content)
	if got := part(t, src, d, 9, image.ToEnd); string(got) != "9abcdef" {
		t.Errorf("from the file: %q", got)
	}
	kept := s.source()
	kept.Keep = true
	if _, err := kept.Open(t.Context(), d, 0, image.ToEnd); err == nil {
		t.Error("a layer without its patch")
	}
}

func TestKeepForManyReaders(t *testing.T) {
	s := newSite(t)
	d := s.appended(strings.Repeat("0123456789", 10_000), "abcdef")
	src := s.source()
	src.Keep = true
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if i%2 == 0 {
				if err := s.read(src, d); err != nil {
					t.Error(err)
				}
			} else if got := part(t, src, d, 99_998, 4); string(got) != "89ab" {
				t.Errorf("a range: %q", got)
			}
		})
	}
	wg.Wait()
	if s.opened.Load() != 1 {
		t.Errorf("the base was read %d times", s.opened.Load())
	}
	if n := src.Files(); n != 1 {
		t.Errorf("%d files are kept: nobody needs the base any more", n)
	}
}

func TestLost(t *testing.T) {
	s := newSite(t)
	d := s.appended("a base", "!")
	clear(s.place.Content)
	src := s.source()
	lost, err := src.Lost(t.Context(), d)
	if err != nil || len(lost) != 1 || lost[0].DiffID != digest.FromString("a base") {
		t.Error(lost, err)
	}
	if has, err := src.Has(t.Context(), d); has || err != nil {
		t.Error(has, err)
	}
	if err := s.read(src, d); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	s.fail = errors.New("the registry is down")
	if _, err := s.source().Has(t.Context(), d); !errors.Is(err, s.fail) {
		t.Error(err)
	}
}

// A base may be rebuilt itself, from what another archive has.
func TestChain(t *testing.T) {
	s := newSite(t)
	s.appended("a", "b")
	next := image.Base{Descriptor: v1.Descriptor{Digest: digest.FromString("ab"), Size: 2},
		DiffID: digest.FromString("ab")}
	other, src := newSite(t), s.source()
	d := other.plain("abc", patch("abc", []string{"ab"}, op{1, 0, 2, "c"}), next)
	src.Add(other.layers, other.archive)
	if has, err := src.Has(t.Context(), d); !has || err != nil {
		t.Fatal(has, err)
	}
	if err := s.read(src, d); err != nil {
		t.Error(err)
	}
}

// Layers that need each other are not there, and nobody waits for them.
func TestCycles(t *testing.T) {
	s := newSite(t)
	of := func(content string) image.Base {
		d := v1.Descriptor{Digest: digest.FromString(content), Size: int64(len(content))}
		return image.Base{Descriptor: d, DiffID: d.Digest}
	}
	a := s.plain("a", patch("a", []string{"b"}, op{data: "a"}), of("b"))
	b := s.plain("b", patch("b", []string{"a"}, op{data: "b"}), of("a"))
	self := s.plain("self", patch("self", []string{"self"}, op{1, 0, 4, ""}), of("self"))
	for i := range 20 {
		content, base := fmt.Sprint("long", i), fmt.Sprint("long", i+1)
		s.plain(content, patch(content, []string{base}, op{data: content}), of(base))
	}
	src := s.source()
	for _, d := range []v1.Descriptor{a, b, self} {
		if lost, err := src.Lost(t.Context(), d); len(lost) != 1 || err != nil {
			t.Errorf("%s: %v, %v", d.Digest, lost, err)
		}
		if err := s.read(src, d); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
	long := of("long0").Descriptor
	if _, err := src.Has(t.Context(), long); !errors.Is(err, verify.ErrMismatch) {
		t.Error(err)
	}
}

func TestHostilePatches(t *testing.T) {
	t.Run("a base with other bytes", func(t *testing.T) {
		s := newSite(t)
		d := s.appended("a base", "!")
		for of := range s.place.Content {
			s.place.Content[of] = imagetest.Gzip([]byte("A base"))
		}
		s.refused(d, "the bytes hash to")
	})
	t.Run("a base that unpacks to something else", func(t *testing.T) {
		s := newSite(t)
		d := s.appended("a base", "!")
		other := s.place.Put("", imagetest.Gzip([]byte("A base")))
		s.layers[0].Rebuilt.Bases[0].Descriptor = other
		s.refused(d, "it unpacks to "+digest.FromString("A base").String())
	})
	t.Run("another patch", func(t *testing.T) {
		s := newSite(t)
		d := s.appended("a base", "!")
		s.archive.Content[s.layers[0].Rebuilt.Patch.Digest] = patch("x", []string{"a base"}, op{data: "x"})
		s.refused(d, "patch")
	})
	t.Run("a patch for another layer", func(t *testing.T) {
		s := newSite(t)
		s.refused(s.plain("a layer", patch("A layer", []string{"b"}, op{data: "A layer"}), s.base("b")), "diff ID")
	})
	t.Run("another result", func(t *testing.T) {
		s := newSite(t)
		raw := patch("a layer", []string{"b"}, op{data: "A layer"})
		s.refused(s.plain("a layer", raw, s.base("b")), "the bytes hash to")
	})
	t.Run("an unknown base", func(t *testing.T) {
		s := newSite(t)
		s.refused(s.plain("a layer", patch("a layer", []string{"c"}, op{data: "a layer"}), s.base("b")),
			"which the delta document does not say")
	})
	t.Run("too many bytes", func(t *testing.T) {
		s := newSite(t)
		d := s.plain("x", patch("x", []string{"b"}, op{data: "x"}), s.base("b"))
		s.layers[0].Rebuilt.Unpacked = 1 << 40
		s.refused(d, "cannot unpack to")
	})
	t.Run("more bytes than anybody makes a patch of", func(t *testing.T) {
		s := newSite(t)
		s.plain("x", patch("x", []string{"b"}, op{data: "x"}), s.base("b"))
		l := &s.layers[0]
		l.Descriptor.Size, l.Rebuilt.Unpacked = 9<<30, 9<<30
		s.refused(l.Descriptor, "more than the 8589934592 that are accepted")
	})
	t.Run("more compressed bytes than the content takes", func(t *testing.T) {
		s := newSite(t)
		l := s.packed("a base", "!")
		l.Descriptor.Size = 1 << 30
		s.refused(l.Descriptor, "is not what 7 bytes become")
	})
	t.Run("a recipe for another blob", func(t *testing.T) {
		s := newSite(t)
		l := s.packed("a base", "!")
		l.Descriptor.Size++
		s.refused(l.Descriptor, "its recipe makes")
	})
	t.Run("a large patch", func(t *testing.T) {
		s := newSite(t)
		d := s.plain("x", patch("x", []string{"b"}, op{data: "x"}), s.base("b"))
		s.layers[0].Rebuilt.Patch.Size = 1 << 40
		s.refused(d, "more than the")
	})
	t.Run("nothing for ever", func(t *testing.T) {
		s := newSite(t)
		ops := make([]op, 1000)
		s.refused(s.plain("x", patch("x", []string{"b"}, ops...), s.base("b")), "patch")
	})
}

// Whoever gives up gives back its turn.
func TestCancelled(t *testing.T) {
	s := newSite(t)
	d := s.appended("a base", "!")
	src := s.source()
	var open []func() error
	for range 2 {
		rc, err := src.Open(t.Context(), d, 0, image.ToEnd)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, rc.Close)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := src.Open(ctx, d, 0, image.ToEnd); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, f := range open {
		f()
		f()
	}
	if err := s.read(src, d); err != nil {
		t.Error(err)
	}
}

func TestFinders(t *testing.T) {
	empty, s := newSite(t), newSite(t)
	b := s.base("x")
	d, src, err := rebuild.Finders{empty, s}.Find(t.Context(), b)
	if err != nil || src == nil || d.Digest != b.Digest {
		t.Error(d, src, err)
	}
	if _, src, err := (rebuild.Finders{empty}).Find(t.Context(), b); src != nil || err != nil {
		t.Error(src, err)
	}
}
