package coding_test

import (
	"testing"

	"drayage/internal/deflate/coding"
)

func TestTokens(t *testing.T) {
	for length := coding.MinMatch; length <= coding.MaxMatch; length++ {
		for _, distance := range []int{1, 2, 255, 256, 257, 32767, 32768} {
			m := coding.Match(length, distance)
			if !m.IsMatch() || m.Len() != length || m.Distance() != distance {
				t.Fatalf("%d, %d: %x", length, distance, m)
			}
		}
	}
	for b := range 256 {
		if l := coding.Literal(byte(b)); l.IsMatch() || l.Len() != 1 || l.Byte() != byte(b) {
			t.Fatalf("%d: %x", b, l)
		}
	}
	if s := coding.Match(258, 9) | coding.Spelled; !s.IsMatch() || s.Len() != 258 || s.Distance() != 9 {
		t.Errorf("%x", s)
	}
}

// The symbols agree with the tables of RFC 1951, 3.2.5.
func TestSymbols(t *testing.T) {
	for value, want := range map[int]int{
		3: 257, 10: 264, 11: 265, 12: 265, 13: 266, 18: 268, 19: 269, 66: 276, 67: 277, 130: 280, 131: 281,
		257: 284, 258: 285,
	} {
		if got := coding.LengthSymbol(value); got != want {
			t.Errorf("length %d is %d, not %d", value, got, want)
		}
	}
	for value, want := range map[int]int{
		1: 0, 4: 3, 5: 4, 6: 4, 7: 5, 8: 5, 9: 6, 192: 14, 193: 15, 256: 15, 257: 16, 384: 16, 385: 17,
		16384: 27, 16385: 28, 24577: 29, 32768: 29,
	} {
		if got := coding.DistanceSymbol(value); got != want {
			t.Errorf("distance %d is %d, not %d", value, got, want)
		}
	}
	for d := 1; d <= coding.Window; d++ {
		s := coding.DistanceSymbol(d)
		if x := d - int(coding.DistanceBase[s]); x < 0 || x >= 1<<coding.DistanceExtra[s] {
			t.Fatalf("distance %d is %d and %d more", d, s, x)
		}
	}
	for l := coding.MinMatch; l < coding.MaxMatch; l++ {
		s := coding.LengthSymbol(l) - 257
		if x := l - int(coding.LengthBase[s]); x < 0 || x >= 1<<coding.LengthExtra[s] {
			t.Fatalf("length %d is %d and %d more", l, s, x)
		}
	}
}
