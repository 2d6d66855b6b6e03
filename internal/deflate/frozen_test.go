package deflate

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/pgzip"

	"drayage/internal/deflate/coding"
)

// What has been released is never made anew: -update adds the recipes that the table lacks.
var update = flag.Bool("update", false, "add recipes that testdata/frozen.tsv lacks")

const frozenFile = "testdata/frozen.tsv"

// prose is content that no library takes part in: words, numbers, copies and runs.
func prose(size int) []byte {
	state := uint32(size)*2654435761 + 1
	next := func(n int) int {
		state = state*1664525 + 1013904223
		return int(state>>8) % n
	}
	var b []byte
	for len(b) < size {
		switch k := next(100); {
		case k < 3 && len(b) > 4000:
			at := len(b) - 1 - next(min(len(b)-1, 40_000))
			b = append(b, b[at:min(len(b), at+next(400))]...)
		case k < 4:
			b = append(b, make([]byte, next(700))...)
		case k < 20:
			b = strconv.AppendUint(b, uint64(next(1<<20)), 16)
		default:
			word := next(600) * next(600) / 600
			for i := range 2 + word%7 {
				b = append(b, 'a'+byte(word*(i+3)%26))
			}
			b = append(b, ' ')
		}
	}
	return b[:size]
}

// bent is a stream like another one of the same content. After so many tokens each, a match begins a byte
// later.
func bent(t *testing.T, stream []byte, each int) []byte {
	t.Helper()
	f := &feed{}
	p := inflater{in: newBitReader(bytes.NewReader(stream)), f: f}
	for !f.ended {
		if err := p.decode(readAtOnce); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.runs) > 0 {
		return stream
	}
	var w writer
	w.begin(&coding.Shape{Kind: coding.Fixed}, true)
	at, next := 0, each
	for i, token := range f.tokens {
		if i >= next && token.Len() > coding.MinMatch {
			next = i + each
			w.tokens([]coding.Token{
				coding.Literal(f.content[at]), coding.Match(token.Len()-1, token.Distance()),
			})
		} else {
			w.tokens(f.tokens[i : i+1])
		}
		at += token.Len()
	}
	w.endBlock()
	w.align(0)
	return w.out
}

// made is the raw stream that a model makes.
func made(t *testing.T, m coding.Model, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Compress(t.Context(), Encoder{model: m}, &b, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()[len(header) : b.Len()-trailerLen]
}

// sample is a blob for a frozen recipe.
type sample struct {
	name    string
	content []byte
	make    func(content []byte) (blob []byte, o MakeOptions)
}

// samples are one for each model, whose second member needs corrections, and some for each thing that recipes
// tell besides.
func samples(t *testing.T) (all []sample) {
	one := prose(70_000)
	for _, m := range Models() {
		all = append(all, sample{m.Name(), append(bytes.Clone(one), one...), func([]byte) ([]byte, MakeOptions) {
			stream := made(t, m, one)
			return append(wrapped(stream, one), wrapped(bent(t, stream, 5000), one)...), with(m)
		}})
	}
	for name, each := range map[string]int{
		"Go -1": 100_000, "Go 1.27 -6": 50_000, "zlib -1": 50_000, "zlib -6": 20_000,
		"klauspost 1.18.2 -1": 1 << 30,
	} {
		m := modelNamed(name)
		all = append(all, sample{"long " + name, prose(1_300_000), func(c []byte) ([]byte, MakeOptions) {
			return wrapped(bent(t, made(t, m, c), each), c), with(m)
		}})
	}
	short := prose(6000)
	return append(all,
		sample{"parts of pgzip", prose(1_100_000), func(c []byte) ([]byte, MakeOptions) {
			var b bytes.Buffer
			w, _ := pgzip.NewWriterLevel(&b, 5)
			w.Write(c)
			w.Close()
			return b.Bytes(), MakeOptions{}
		}},
		sample{"parts of pigz", prose(400_000), func(c []byte) ([]byte, MakeOptions) {
			return wrapped(made(t, modelNamed("pigz -6"), c), c), MakeOptions{}
		}},
		sample{"flushes", short, func(c []byte) ([]byte, MakeOptions) {
			return flushed(6, 1500, c), with(modelNamed("Go -6"))
		}},
		sample{"an unknown encoder", short, func(c []byte) ([]byte, MakeOptions) {
			return gzipped(t, 6, c), everything
		}},
		sample{"stored", short, func(c []byte) ([]byte, MakeOptions) {
			return gzipped(t, 0, c), with(modelNamed("zlib -6"))
		}},
		sample{"nothing, and more behind it", nil, func(c []byte) ([]byte, MakeOptions) {
			return append(gzipped(t, 6, c), 0, 0, 7), MakeOptions{}
		}},
	)
}

func with(m coding.Model) MakeOptions { return MakeOptions{Limit: 100, Models: []coding.Model{m}} }

// flushed is gzip with a flush after each so many bytes.
func flushed(level, each int, content []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, level)
	for len(content) > 0 {
		n := min(each, len(content))
		w.Write(content[:n])
		w.Flush()
		content = content[n:]
	}
	w.Close()
	return b.Bytes()
}

// Recipes that were made once make the same blobs for ever. A row has a name, the size of the blob, its
// digest, and the recipe. A row that fails is never to be replaced: the code is wrong.
func TestFrozenRecipes(t *testing.T) {
	table, err := os.ReadFile(frozenFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(table)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		rows[f[0]] = f
	}
	for _, s := range samples(t) {
		row, ok := rows[s.name]
		if delete(rows, s.name); !ok && *update {
			row = strings.Split(frozen(t, s), "\t")
			table = append(append(table, strings.Join(row, "\t")...), '\n')
		} else if !ok {
			t.Errorf("%s: the table has no recipe", s.name)
			continue
		}
		recipe, err := base64.StdEncoding.DecodeString(row[3])
		if err != nil {
			t.Fatal(err)
		}
		if got := rebuilt(t, recipe, s.content); got != row[1]+" "+row[2] {
			t.Errorf("%s: the recipe makes %s, not %s %s", s.name, got, row[1], row[2])
		}
	}
	for name := range rows {
		t.Errorf("%s: nothing makes the content for its recipe", name)
	}
	if *update {
		if err := os.WriteFile(frozenFile, table, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// frozen is a new row.
func frozen(t *testing.T, s sample) string {
	blob, o := s.make(s.content)
	recipe, content := recipeOf(t, blob, o)
	if !bytes.Equal(content, s.content) {
		t.Fatalf("%s: the content is another one", s.name)
	}
	sum := sha256.Sum256(blob)
	return fmt.Sprintf("%s\t%d\t%x\t%s", s.name, len(blob), sum, base64.StdEncoding.EncodeToString(recipe))
}

// rebuilt is the size and the digest of what a recipe makes.
func rebuilt(t *testing.T, recipe, content []byte) string {
	t.Helper()
	r, err := Open(bytes.NewReader(recipe), int64(len(recipe)), bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return err.Error()
	}
	defer r.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, r)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %x", n, sum.Sum(nil))
}
