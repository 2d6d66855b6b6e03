package verify_test

import (
	"testing"

	"drayage/image"
	"drayage/internal/verify"
)

// BenchmarkCheck is the least that any transfer costs.
func BenchmarkCheck(b *testing.B) {
	content := make([]byte, 4<<20)
	d := image.Describe("", content)
	b.SetBytes(d.Size)
	b.ReportAllocs()
	for b.Loop() {
		c := verify.NewCheck(d)
		for rest := content; len(rest) > 0; rest = rest[256<<10:] {
			if _, err := c.Write(rest[:256<<10]); err != nil {
				b.Fatal(err)
			}
		}
		if err := c.Done(); err != nil {
			b.Fatal(err)
		}
	}
}
