package deflate

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/klauspost/pgzip"

	"drayage/internal/deflate/coding"
)

// A stream of a modelled encoder is recognised, and its recipe is next to nothing.
func TestModelledEncodersNeedNoCorrections(t *testing.T) {
	content := append(text(11, 1_100_000), noise(11, 100_000)...)
	content = append(content, text(12, 100_000)...)
	for _, level := range []int{-2, 1, 6} {
		made, _ := trip(t, gzipped(t, level, content), MakeOptions{})
		if made.Corrections > 0 || made.Recipe > 200 {
			t.Errorf("-%d: %+v", level, made)
		}
	}
}

// A model alone makes what its encoder makes, which is what restore relies on.
func TestModelsAloneMakeTheSame(t *testing.T) {
	content := append(text(21, 1_300_000), noise(21, 200_000)...)
	for level, name := range []string{1: "Go -1", 2: "Go -2", 6: "Go -6", 9: "Go -9"} {
		for _, c := range [][]byte{content, nil, content[:1]} {
			if name == "" {
				continue
			}
			want := gzipped(t, level, c)
			e := Encoders()[slices.IndexFunc(Encoders(), func(e Encoder) bool { return e.Name() == name })]
			e.Header = want[:10]
			var got bytes.Buffer
			if err := Compress(t.Context(), e, &got, bytes.NewReader(c)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s: %d bytes, not %d", name, got.Len(), len(want))
			}
		}
	}
}

// The parts of pgzip are recognised, also where the content ends with one.
func TestParts(t *testing.T) {
	for _, n := range []int{0, 5000, 1 << 20, 1_200_000} {
		content := text(31, n)
		var b bytes.Buffer
		w, err := pgzip.NewWriterLevel(&b, 5)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(content)
		w.Close()
		if made, _ := trip(t, b.Bytes(), MakeOptions{}); made.Corrections > 0 {
			t.Errorf("%d bytes: %+v", n, made)
		}
	}
}

// What a model makes is recognised, and needs a recipe of next to nothing.
func TestModelsAreRecognised(t *testing.T) {
	content := append(text(31, 110_000), noise(31, 40_000)...)
	for _, name := range []string{"zlib -6", "zlib -9 memLevel 9", "gzip -9", "pigz -1"} {
		e := Encoders()[slices.IndexFunc(Encoders(), func(e Encoder) bool { return e.Name() == name })]
		var stream bytes.Buffer
		if err := Compress(t.Context(), e, &stream, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		made, _ := trip(t, stream.Bytes(), MakeOptions{})
		if made.Corrections > 0 || made.Recipe > 200 {
			t.Errorf("%s: %+v", e.Name(), made)
		}
	}
}

// counted counts what the model of no encoder predicts.
type counted struct {
	plain
	plainPredictor
	n int
}

func (c *counted) Predictor() coding.Predictor { return c }
func (c *counted) Predict() coding.Token       { c.n++; return c.plainPredictor.Predict() }

// A model that is far worse than another is left after a look at few bytes.
func TestWrongModelsAreLeftSoon(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	content := text(41, 400_000)
	right, wrong := modelNamed("Go -6"), &counted{}
	made, _ := trip(t, gzipped(t, 6, content), MakeOptions{Models: []coding.Model{right, wrong}})
	if made.Model != "Go -6" || wrong.n > 1000 {
		t.Errorf("%s, after %d predictions of another model", made.Model, wrong.n)
	}
}

// tallied is a model whose predictions are counted.
type tallied struct {
	coding.Model
	n *atomic.Int64
}

type tallying struct {
	coding.Predictor
	n *atomic.Int64
}

func (m tallied) Predictor() coding.Predictor { return tallying{m.Model.Predictor(), m.n} }
func (p tallying) Predict() coding.Token      { p.n.Add(1); return p.Predictor.Predict() }

// An encoder that nobody knows is given up after a look at the beginning, by all models together. Without use
// for the content, no more of the blob is read.
func TestUnknownEncodersAreGivenUpSoon(t *testing.T) {
	content := prose(4 << 20)
	stream := bent(t, made(t, modelNamed("zlib -4"), content), 6)
	for _, stop := range []bool{false, true} {
		var n atomic.Int64
		var models []coding.Model
		for _, m := range Models() {
			models = append(models, tallied{m, &n})
		}
		blob := bytes.NewReader(wrapped(stream, content))
		got := &countingWriter{w: io.Discard}
		_, err := Make(t.Context(), blob, got, io.Discard, MakeOptions{Models: models, Stop: stop})
		if !errors.Is(err, ErrUnknown) || n.Load() > 1_000_000 {
			t.Errorf("%d predictions, %v", n.Load(), err)
		}
		if stop == (got.n == int64(len(content))) || stop == (blob.Len() == 0) {
			t.Errorf("stop %v: %d bytes of content, %d of the blob left", stop, got.n, blob.Len())
		}
	}
}

// Where the first member is short, its header tells the level, as in eStargz.
func TestTheHeaderDecidesOnLittle(t *testing.T) {
	for _, level := range []int{1, 6, 9} {
		blob := append(gzipped(t, level, []byte("little")), gzipped(t, level, text(61, 150_000))...)
		made, _ := trip(t, blob, MakeOptions{Limit: 1})
		if made.Corrections > 0 {
			t.Errorf("-%d: %+v", level, made)
		}
	}
}
