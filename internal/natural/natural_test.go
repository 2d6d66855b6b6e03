package natural

import (
	"slices"
	"strings"
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
	Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for i, text := range want[1:] {
		if Compare(want[i], text) >= 0 || Compare(text, want[i]) <= 0 || Compare(text, text) != 0 {
			t.Errorf("Compare orders %q and %q otherwise", want[i], text)
		}
	}
}

// The order has no contradictions, whatever the texts are: it does not matter in which they come.
func FuzzCompareNatural(f *testing.F) {
	f.Add("1.9", "1.10", "1.010")
	f.Add("a", "a0", "a00")
	f.Add("1a", "01b", "001")
	f.Add("10", "9", "-")
	f.Add("1"+strings.Repeat("0", 255), "9"+strings.Repeat("9", 254), strings.Repeat("0", 600))
	f.Fuzz(func(t *testing.T, a, b, c string) {
		want := []string{a, b, c}
		Sort(want)
		for _, got := range [][]string{{a, c, b}, {b, a, c}, {b, c, a}, {c, a, b}, {c, b, a}} {
			if Sort(got); !slices.Equal(got, want) || !slices.IsSortedFunc(got, Compare) {
				t.Fatalf("%q and %q", want, got)
			}
		}
	})
}

func TestSortLongNumbers(t *testing.T) {
	for n := range 600 {
		less, more := strings.Repeat("9", n), "1"+strings.Repeat("0", n)
		got := []string{"v" + more + "a", "v" + less + "z"}
		if Sort(got); n > 0 && got[0] != "v"+less+"z" {
			t.Errorf("%d digits: %q", n, got)
		}
	}
}
