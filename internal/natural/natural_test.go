package natural

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompareNatural(t *testing.T) {
	want := []string{
		"", "01", "1", "1-rc1", "1-rc2", "1-rc10", "1.2", "1.9", "1.9.1", "1.010", "1.10", "2", "20240101",
		"99999999999999999998", "99999999999999999999",
		"V1", "a", "a1", "a2b1", "a2b10", "a10", "latest", "v1", "v1.9", "v1.10",
	}
	got := slices.Clone(want)
	for i := range got { // some other order
		j := (i*7 + 3) % len(got)
		got[i], got[j] = got[j], got[i]
	}
	slices.SortFunc(got, Compare)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Sorting needs an order without contradictions, whatever the texts are.
func FuzzCompareNatural(f *testing.F) {
	f.Add("1.9", "1.10", "1.010")
	f.Add("a", "a0", "a00")
	f.Add("1a", "01b", "001")
	f.Add("10", "9", "-")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		ab, bc, ac := Compare(a, b), Compare(b, c), Compare(a, c)
		if ab != -Compare(b, a) || (ab == 0) != (a == b) {
			t.Fatalf("%q and %q: %d, %d", a, b, ab, Compare(b, a))
		}
		if ab <= 0 && bc <= 0 && ac > 0 {
			t.Fatalf("%q <= %q <= %q < %q", a, b, c, a)
		}
	})
}
