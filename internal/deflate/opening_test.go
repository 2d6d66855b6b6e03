package deflate

import (
	"bytes"
	"testing"

	"github.com/klauspost/pgzip"

	"drayage/internal/deflate/coding"
)

// fed is what recognition sees of a gzip blob.
func fed(t *testing.T, blob []byte) *feed {
	t.Helper()
	f := &feed{}
	p := inflater{in: newBitReader(bytes.NewReader(blob[len(header):])), f: f}
	for !f.ended {
		if err := p.decode(readAtOnce); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// Models that a look at the first block and the lengths of matches rules out cost nothing. The model of the
// encoder stays.
func TestTheOpeningRulesModelsOut(t *testing.T) {
	content := text(71, 400_000)
	// Levels 7 to 9 of old versions have as many tokens in a block as Go.
	for name, most := range map[string]int{"zlib -6": 0, "Go -6": 6, "pgzip 1.18.2 -9": 36} {
		m := modelNamed(name)
		stays, others := false, 0
		for _, left := range fed(t, wrapped(made(t, m, content), content)).possible(Models()) {
			stays = stays || left.Name() == name
			if _, ok := left.(coding.Picky); ok {
				others++
			}
		}
		if !stays || others > most {
			t.Errorf("%s: stays is %v, with %d models of klauspost", name, stays, others)
		}
	}
}

// No level of pgzip is ruled out by what it writes.
func TestTheOpeningOfEachLevel(t *testing.T) {
	for level := -2; level <= 9; level++ {
		content := append(text(72, 130_000), noise(72, 40_000)...)
		var b bytes.Buffer
		w, err := pgzip.NewWriterLevel(&b, level)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(content)
		w.Close()
		if made, _ := trip(t, b.Bytes(), MakeOptions{}); made.Corrections > 0 || made.Recipe > 200 {
			t.Errorf("%d: %+v", level, made)
		}
	}
}
