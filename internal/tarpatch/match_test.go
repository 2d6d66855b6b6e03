package tarpatch

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestPhrases is about text that has the phrases of a base in another order: short ones cost less as new
// bytes than an operation each.
func TestPhrases(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var phrases [500][]byte
	for i := range phrases {
		phrases[i] = fmt.Appendf(nil, "the phrase %x;", r.Uint32())
	}
	text := func(n int) []byte {
		var b bytes.Buffer
		for range n {
			b.Write(phrases[r.IntN(len(phrases))])
		}
		return b.Bytes()
	}
	old, target := text(5000), text(5000)
	_, stats := patch(t, target, old)
	if stats.Operations > 500 {
		t.Errorf("%d operations for 5000 phrases", stats.Operations)
	}
}

// Layers may be of any size, and no tars.
func TestTinyLayers(t *testing.T) {
	for _, old := range []int{0, 1, 12, 13, 15, 16, 17, 20} {
		for _, n := range []int{0, 1, 15, 16, 31} {
			patch(t, noise(1, n), noise(1, old))
			patch(t, noise(1, n), noise(2, old))
		}
	}
}
