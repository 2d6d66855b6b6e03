package tally_test

import (
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
	s := tally.New()
	s.Plan([]v1.Descriptor{a, b, a})
	s.Update(a, 1000) // there before
	s.Update(a, 2500)
	b.Size = 500
	s.Update(b, 0)
	s.Update(b, 500)
	s.Update(v1.Descriptor{Digest: digest.FromString("unplanned"), Size: 9}, 9)
	sum := s.Sum()
	sum.Elapsed = 0
	if want := (tally.Sum{Total: 2500, Moved: 2000, Present: 1000, Ready: 1, Blobs: 2}); sum != want {
		t.Errorf("%+v, want %+v", sum, want)
	}
	s.Update(a, 3000)
	s.Update(a, 0) // begun anew
	if sum := s.Sum(); sum.Ready != 1 || sum.Moved != -500 {
		t.Errorf("begun anew: %+v", sum)
	}
	s.Update(a, 3000)
	if text := s.Sum().String(); !strings.HasPrefix(text, "2.5 kB transferred, 1.0 kB already there in ") {
		t.Error(text)
	}
}

// Wild case 38: descriptors may promise more bytes together than a number holds.
func TestWild38SumsDoNotOverflow(t *testing.T) {
	s := tally.New()
	var all []v1.Descriptor
	for i := range 20_000 {
		all = append(all, v1.Descriptor{Digest: digest.FromString(strconv.Itoa(i)), Size: 1 << 50})
	}
	s.Plan(all)
	if line := s.Sum().Line(); !strings.HasPrefix(line, "0 B of 9.2 EB, ") {
		t.Error(line)
	}
	for _, d := range all[:9000] {
		s.Update(d, d.Size)
	}
	if sum := s.Sum(); sum.Total <= 0 || sum.Present <= 0 || !strings.Contains(sum.Line(), " of 9.2 EB, ") {
		t.Errorf("%+v: %s", sum, sum.Line())
	}
}
