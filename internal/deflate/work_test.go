package deflate

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"drayage/internal/deflate/coding"
)

// letters is content of so many different bytes. All that is short stands everywhere in it.
func letters(size, different int) []byte {
	r := rand.New(rand.NewPCG(uint64(different), 11))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte('a' + r.IntN(different))
	}
	return b
}

// nearlyZero is content of zeros with a one in every 33 bytes. Nearly equal content stands everywhere in it.
func nearlyZero(size int) []byte {
	r := rand.New(rand.NewPCG(1, 12))
	b := make([]byte, size)
	for i := range b {
		if r.IntN(33) == 0 {
			b[i] = 1
		}
	}
	return b
}

// spoiled is the column of tokens that has a literal in the place of every token.
func spoiled(m coding.Model, size int) (column []byte) {
	for c := (cutter{f: m.Framing()}); !c.done; {
		e := c.next(int64(size))
		p := &piece{extent: e}
		for range e.to - e.from {
			p.corrections = append(p.corrections, correction{})
		}
		column = append(column, p.appendCorrections(nil)...)
		c.move(e)
	}
	return column
}

// A recipe that has a model look at thousands of places for each byte is refused.
func TestCostlyRecipes(t *testing.T) {
	const size = 1 << 17
	for name, content := range map[string][]byte{
		"zlib -9": nearlyZero(size), "gzip -9": nearlyZero(size), "Go -9": nearlyZero(size),
		"Go -1":      noise(1, size),
		"Go 1.27 -6": make([]byte, size), "Go 1.27 -9": nearlyZero(size),
		"pgzip 1.18.2 -9": nearlyZero(size),
		"pgzip 1.12.3 -6": make([]byte, size), "klauspost 1.18.2 -3": noise(1, size),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := forged{name, 1 << 30, size, oneMember(size), numbers(1 << 40), spoiled(modelNamed(name), size)}
			if _, err := read(f.bytes(), content); err == nil || !strings.Contains(err.Error(), "more work") {
				t.Error(err)
			}
		})
	}
}

// No recipe is made that would be refused.
func TestCostlyStreams(t *testing.T) {
	content, model := letters(1<<16, 2), modelNamed("Go 1.27 -9")
	blob := wrapped(made(t, model, content), content)
	o := MakeOptions{Models: []coding.Model{model}}
	_, err := Make(t.Context(), bytes.NewReader(blob), io.Discard, io.Discard, o)
	if !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
}

// What has long chains by nature, such as genomes, is no attack.
func TestLongChains(t *testing.T) {
	content := letters(1<<18, 4)
	for _, name := range []string{"zlib -9", "Go -9", "pgzip 1.18.2 -9"} {
		made, _ := trip(t, wrapped(made(t, modelNamed(name), content), content),
			MakeOptions{Models: []coding.Model{modelNamed(name)}})
		if made.Corrections > 0 {
			t.Errorf("%s: %+v", name, made)
		}
	}
}

// A predictor goes on behind corrections, wherever it has looked before.
func TestCorrectionsAreBorne(t *testing.T) {
	for name, c := range map[string]struct {
		content []byte
		every   int
	}{
		"Go 1.27 -6":          {text(1, 1<<17), 3},
		"klauspost 1.18.2 -9": {nearlyZero(1 << 17), 3},
	} {
		p := modelNamed(name).Predictor()
		p.Begin(coding.Stretch{Data: c.content, To: len(c.content), End: true})
		for at, i := 0, 0; at < len(c.content); i++ {
			token := p.Predict()
			if i%c.every == 0 {
				token = coding.Literal(c.content[at])
				p.Correct(token)
			}
			at += token.Len()
		}
	}
}
