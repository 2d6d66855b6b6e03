package klauspost

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"drayage/internal/deflate/coding"
)

// TestSlide goes through a stream in many buffers, and expects the tokens that one buffer gives.
func TestSlide(t *testing.T) {
	data := mixed(7, 1<<20)
	for _, m := range Models() {
		if m.Framing().Part > 0 {
			continue
		}
		want := tokens(m.Predictor(), coding.Stretch{Data: data, To: len(data), End: true})
		p, got := m.Predictor(), []coding.Token(nil)
		align, at := max(m.Framing().Align, 1<<15), 0
		for i := 0; at < len(data); i++ {
			low := max(0, at-coding.Window)
			to := min(len(data), at+align*(1+i%5))
			high := min(len(data), to+coding.Lookahead)
			s := coding.Stretch{Data: bytes.Clone(data[low:high]), From: at - low, To: to - low,
				Offset: int64(low), End: high == len(data)}
			if i == 0 {
				p.Begin(s)
			} else {
				p.Slide(s)
			}
			for at < to {
				got = append(got, p.Predict())
				at += got[len(got)-1].Len()
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s predicts other tokens in many buffers than in one", m.Name())
		}
	}
}

func tokens(p coding.Predictor, s coding.Stretch) []coding.Token {
	p.Begin(s)
	var out []coding.Token
	for at := s.From; at < s.To; {
		out = append(out, p.Predict())
		at += out[len(out)-1].Len()
	}
	return out
}

// TestCorrections begins in the middle of a stream and has a token wrong now and then. It expects that the
// predictor finds its way back.
func TestCorrections(t *testing.T) {
	data := mixed(8, 700<<10)
	for _, m := range Models() {
		if m.Framing().Part > 0 {
			continue
		}
		whole := tokens(m.Predictor(), coding.Stretch{Data: data, To: len(data), End: true})
		from := 4 * 65535
		i := 0
		for at := 0; at < from; i++ {
			at += whole[i].Len()
		}
		for every, limit := range map[int]int{1 << 30: 60, 1000: len(whole) / 10} {
			if m.Framing().Serial {
				limit = len(whole) / 10
			}
			wrong := corrections(m, data, whole[i:], from, every)
			if wrong > limit {
				t.Errorf("%s needs %d corrections of %d tokens", m.Name(), wrong, len(whole)-i)
			}
		}
	}
}

// corrections follows tokens and counts those that were predicted wrong. One in every is split in literals,
// which do not count.
func corrections(m coding.Model, data []byte, want []coding.Token, from, every int) int {
	low := from - coding.Window
	p, wrong := m.Predictor(), 0
	p.Begin(coding.Stretch{Data: data[low:], From: from - low, To: len(data) - low, Offset: int64(low),
		End: true})
	at := from
	for i, t := range want {
		split := []coding.Token{t}
		if i%every == every-1 && t.Len() < 30 {
			split = nil
			for _, b := range data[at : at+t.Len()] {
				split = append(split, coding.Literal(b))
			}
		}
		for _, t := range split {
			if p.Predict() != t {
				p.Correct(t)
				if len(split) == 1 {
					wrong++
				}
			}
			at += t.Len()
		}
	}
	return wrong
}

// FuzzCorrections has the encoder do anything: no model may fail.
func FuzzCorrections(f *testing.F) {
	for seed := range uint64(60) {
		f.Add(seed*seed*977, []int{200, chunk + 30, 2 * chunk}[seed%3])
	}
	f.Fuzz(func(t *testing.T, seed uint64, size int) {
		n := numbers(seed | 1)
		data := mixed(int(seed>>1|1), max(0, size)%(1<<18)+1)
		all := Models()
		m := all[n.below(len(all))]
		p := m.Predictor()
		from := n.below(len(data))/chunk*chunk - n.below(2)*n.below(2)
		from = max(0, from)
		s := coding.Stretch{Data: data, From: from, To: len(data), Offset: -int64(from), End: n.below(4) > 0}
		if m.Framing().Dictionary == 0 {
			s.Offset = 0
		}
		s.To = max(from+1, s.To-(n.below(2)+1)*n.below(coding.Lookahead))
		every := 1 + n.below(1+n.below(1000))
		p.Begin(s)
		for at := from; at < s.To; {
			got := p.Predict()
			if at+got.Len() > len(data) || got.IsMatch() && got.Distance() > at {
				t.Fatalf("%s predicts %d, %d at %d", m.Name(), got.Len(), got.Distance(), at)
			}
			if n.below(every) == 0 {
				got = coding.Literal(data[at])
				if d := 1 + n.below(min(at+1, coding.Window)); d <= at {
					if l := same(data, at, at-d, min(at+n.below(259), len(data))); l >= 3 {
						got = coding.Match(l, d)
					}
				}
				p.Correct(got)
			}
			at += got.Len()
		}
	})
}

func BenchmarkPredictor(b *testing.B) {
	data := mixed(9, 2<<20)
	for _, m := range Models() {
		if m.Framing().Part > 0 {
			continue
		}
		b.Run(strings.ReplaceAll(m.Name(), " ", "_"), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			p := m.Predictor()
			for b.Loop() {
				p.Begin(coding.Stretch{Data: data, To: len(data), End: true})
				for at := 0; at < len(data); {
					at += p.Predict().Len()
				}
			}
		})
	}
}

// Corrections that follow each other closely do not make the rest of a chunk again each time: a recipe may
// have one for each token.
func TestCorrectionsCostLittle(t *testing.T) {
	data := noise(5, chunk)
	for _, m := range Models() {
		p, ok := m.Predictor().(*fast)
		if !ok || m.Framing().Part > 0 {
			continue
		}
		p.Begin(coding.Stretch{Data: data, To: len(data), End: true})
		for at := range 1000 {
			p.Predict()
			if at > 0 && len(p.tokens) > 1000 {
				t.Fatalf("%s has %d tokens after a correction", m.Name(), len(p.tokens))
			}
			p.Correct(coding.Literal(data[at]))
		}
	}
}
