package golang_test

import (
	"bytes"
	"testing"

	"drayage/internal/deflate"
	"drayage/internal/deflate/coding"
)

// compress is the deflate stream that the model makes of content by itself.
func compress(t *testing.T, m coding.Model, content []byte) []byte {
	t.Helper()
	for _, e := range deflate.Encoders() {
		if e.Name() != m.Name() {
			continue
		}
		var out bytes.Buffer
		if err := deflate.Compress(t.Context(), e, &out, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()[10 : out.Len()-8] // without the header and the sums of gzip
	}
	t.Fatalf("%s is not registered", m.Name())
	return nil
}

// predict calls token for each token of content, which it shows to the predictor in pieces.
func predict(p coding.Predictor, content []byte, token func(coding.Token)) {
	const piece = 300_000
	for pos, first := 0, true; pos < len(content); first = false {
		from := max(0, pos-coding.Window-1000)
		to := min(len(content), pos+piece)
		end := min(len(content), to+coding.Lookahead)
		s := coding.Stretch{
			Data: content[from:end], From: pos - from, To: to - from, Offset: int64(from),
			End: end == len(content),
		}
		if first {
			p.Begin(s)
		} else {
			p.Slide(s)
		}
		for pos < to {
			t := p.Predict()
			token(t)
			pos += t.Len()
		}
	}
}
