package layout_test

import (
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/layout"
)

// An entry over something goes in if its name stands for that, or for the entry already.
func TestEnterOver(t *testing.T) {
	s := newShop(t)
	a, b, c := s.image("{}", nil, "a"), s.image(`{"b":1}`, nil, "b"), s.image(`{"c":1}`, nil, "c")
	nothing := digest.Digest("")
	over := func(d digest.Digest, e layout.Entry) layout.Entry { e.Over = &d; return e }
	for _, step := range []struct {
		what    string
		entry   layout.Entry
		old     digest.Digest
		refused bool
		now     digest.Digest
	}{
		{"nothing is there", over(nothing, name(a, "x:1")), nothing, false, a.Digest},
		{"the same again", over(nothing, name(a, "x:1")), a.Digest, false, a.Digest},
		{"something is there", over(nothing, name(b, "x:1")), a.Digest, true, a.Digest},
		{"something else is there", over(c.Digest, name(b, "x:1")), a.Digest, true, a.Digest},
		{"what is there", over(a.Digest, name(b, "x:1")), a.Digest, false, b.Digest},
		{"whatever is there", name(c, "x:1"), b.Digest, false, c.Digest},
	} {
		beside := name(a, "beside:1")
		old, err := s.Enter(t.Context(), []layout.Entry{step.entry, beside})
		if err != nil || old[0].Digest != step.old || step.entry.Refused(old[0]) != step.refused {
			t.Errorf("%s: %s, %v", step.what, old[0].Digest, err)
		}
		found, err := s.Find("corp.test/x:1")
		if err != nil || len(found) != 1 || found[0].Descriptor.Digest != step.now {
			t.Errorf("%s: %v, %v", step.what, found, err)
		}
		if !slices.Contains(s.names(), "corp.test/beside:1") {
			t.Errorf("%s: the entry beside it is not there", step.what)
		}
	}
}
