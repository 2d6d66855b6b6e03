package klauspost_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/klauspost/pgzip"

	"drayage/internal/deflate"
	"drayage/internal/deflate/klauspost"
)

// far is content whose blocks have the longest matches and the farthest.
func far(size int) (out []byte) {
	for i := 0; len(out) < size; i++ {
		out = append(out, klauspost.Mixed(100+i, 3<<10)...)
		if from := len(out) - 32_000; from > 0 {
			out = append(out, out[from:from+600]...)
		}
	}
	return out[:size]
}

// near is content of short matches.
func near(size int) (out []byte) {
	for i := 0; len(out) < size; i++ {
		out = fmt.Appendf(out, "%d %x,", i*i%7919, i%6007)
	}
	return out[:size]
}

// Versions write the same for megabytes, and differ later. The right one is found all the same.
func TestVersionsThatDifferLate(t *testing.T) {
	content := slices.Concat(far(4<<20), near(6<<20))
	for _, level := range []int{5} {
		var blob, recipe bytes.Buffer
		w, err := pgzip.NewWriterLevel(&blob, level)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(content)
		w.Close()
		made, err := deflate.Make(t.Context(), &blob, io.Discard, &recipe, deflate.MakeOptions{})
		if err != nil || made.Model != fmt.Sprintf("pgzip 1.18.2 -%d", level) || made.Recipe > 200 {
			t.Errorf("-%d: %+v, %v", level, made, err)
		}
	}
}
