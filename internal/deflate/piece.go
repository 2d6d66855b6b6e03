package deflate

import (
	"bytes"
	"fmt"

	"drayage/internal/deflate/coding"
)

// correction replaces a token that a predictor predicts, behind so many that are right.
type correction struct {
	gap   uint32
	token coding.Token
}

// piece is a stretch with its content and its tokens.
type piece struct {
	extent
	data        []byte // from low to high
	overlap     int    // how far behind from its first token begins
	corrections []correction
	most        int // how many corrections are borne, or 0
	meter       *meter
	work        int64 // how many steps the predictor took
	tokens      []coding.Token
	err         error
	done        chan struct{} // closed when tokens are there
	actual      *taken        // what the blob has, when a recipe is made
	versions    []*piece      // with the tokens of each model that may be the right one
	read        int64         // how much of the blob had been read then
	member      *member       // when the blob is made
	tail        []byte        // what follows the last member, in a piece without anything else
}

func (p *piece) content(from, to int64) []byte { return p.data[from-p.low : to-p.low] }

// follower runs a predictor over a piece.
type follower struct {
	coding.Predictor
	*piece
	pos     int // in data
	gap     uint32
	counted int64 // of the predictor's work
}

// follow begins a piece, and goes to where its first token stands.
func follow(pred coding.Predictor, p *piece) (*follower, error) {
	f := &follower{Predictor: pred, piece: p, pos: int(p.begin - p.low), counted: pred.Work()}
	switch s := p.shows(p.data); {
	case p.slide:
		f.pos = int(p.from-p.low) + p.overlap
		s.From = f.pos
		pred.Slide(s)
	case p.from < p.to:
		pred.Begin(s)
		f.counted -= beginSteps
	}
	for start := int(p.from-p.low) + p.overlap; f.pos < start && f.pos < f.to(); {
		t, err := f.predict()
		if err != nil {
			return nil, err
		}
		if f.pos+t.Len() > start {
			t = coding.Literal(p.data[f.pos])
			pred.Correct(t)
		}
		f.pos += t.Len()
	}
	f.pos = int(p.from-p.low) + p.overlap
	return f, nil
}

func (f *follower) to() int { return int(f.piece.to - f.low) }

// predict returns the next token, which lies in the content.
func (f *follower) predict() (coding.Token, error) {
	t := f.Predict()
	if f.pos+t.Len() > len(f.data) {
		return 0, fmt.Errorf("the model predicts %d bytes where %d are left", t.Len(), len(f.data)-f.pos)
	}
	return t, f.count(spendAtOnce)
}

// correct notes that t stands where another token was predicted.
func (f *follower) correct(t coding.Token) error {
	f.corrections = append(f.corrections, correction{f.gap, t})
	f.gap = 0
	f.Correct(t)
	if f.most > 0 && len(f.corrections) > f.bearable() {
		return errLong
	}
	return nil
}

// fewCorrections may stand anywhere in a piece.
const fewCorrections = 256

// bearable is how many corrections are borne up to here: a share of all, so that a model that is wrong all
// the time is left before the piece ends.
func (f *follower) bearable() int {
	done, all := int64(f.pos)-(f.from-f.low), f.piece.to-f.from
	return min(f.most, fewCorrections+int(int64(f.most)*done/max(1, all)))
}

// compare notes what a predictor predicts wrong. It adds tokens for runs that have none.
func (p *piece) compare(pred coding.Predictor) error {
	t := p.actual
	p.overlap = int(t.at - p.from)
	f, err := follow(pred, p)
	if err != nil {
		return err
	}
	p.tokens = make([]coding.Token, 0, len(t.tokens))
	actual, runs := t.tokens, t.runs
	for f.pos < f.to() {
		if len(runs) > 0 && int64(f.pos)+p.low == runs[0].at {
			if err := f.run(runs[0].n); err != nil {
				return err
			}
			runs = runs[1:]
			continue
		}
		guess, err := f.predict()
		if err != nil {
			return err
		}
		if guess == actual[0] {
			f.gap++
		} else if err := f.correct(actual[0]); err != nil {
			return err
		}
		f.pos += actual[0].Len()
		p.tokens = append(p.tokens, actual[0])
		actual = actual[1:]
	}
	return f.count(0)
}

// run takes the tokens that are predicted for n bytes of a Stored block. None goes over its end.
func (f *follower) run(n int) error {
	for end := f.pos + n; f.pos < end; {
		t, err := f.predict()
		if err != nil {
			return err
		}
		if left := end - f.pos; t.Len() <= left {
			f.gap++
		} else {
			if left >= coding.MinMatch {
				t = coding.Match(left, t.Distance())
			} else {
				t = coding.Literal(f.data[f.pos])
			}
			if err := f.correct(t); err != nil {
				return err
			}
		}
		f.pos += t.Len()
		f.tokens = append(f.tokens, t)
	}
	return nil
}

// restore makes the tokens of a piece from what a predictor predicts and its corrections.
func (p *piece) restore(pred coding.Predictor) error {
	f, err := follow(pred, p)
	if err != nil {
		return err
	}
	left := p.corrections
	for f.pos < f.to() {
		t, err := f.predict()
		if err != nil {
			return err
		}
		if len(left) > 0 && left[0].gap == f.gap {
			if t, err = f.checked(left[0].token); err != nil {
				return err
			}
			f.Correct(t)
			left, f.gap = left[1:], 0
		} else {
			f.gap++
		}
		f.pos += t.Len()
		p.tokens = append(p.tokens, t)
	}
	if len(left) > 0 {
		return errRecipe
	}
	return f.count(0)
}

// checked is a token of a recipe, if the content has it.
func (f *follower) checked(t coding.Token) (coding.Token, error) {
	if !t.IsMatch() {
		return coding.Literal(f.data[f.pos]), nil
	}
	if f.pos+t.Len() > len(f.data) || t.Distance() > f.pos {
		return 0, errRecipe
	}
	// A match may overlap itself: bytes are compared one distance at a time.
	here := f.data[f.pos : f.pos+t.Len()]
	if !bytes.Equal(here, f.data[f.pos-t.Distance():][:len(here)]) {
		return 0, errRecipe
	}
	return t, nil
}
