package deflate

import (
	"errors"

	"drayage/internal/deflate/coding"
)

// errRecipe is a recipe that no writer makes.
var errRecipe = errors.New("the recipe is damaged")

// script tells what is not as the model predicts.
type script interface {
	// next returns how the next block differs, or nil.
	next() (*record, error)
	// codes reads the codes of a Dynamic block that differs. It is called once for each, before next.
	codes(predicted *coding.Shape) (*coding.Shape, error)
}

// assembler writes the blocks of a stream as a model predicts them, or as the script says.
type assembler struct {
	writer
	script
	blocks  coding.Blocks
	framing coding.Framing
	chunk   chunk
	pending []coding.Token // of the chunk
	record  *record        // of the chunk
	held    []byte         // content of chunks before it that a Stored block has
	coded   bool           // a block with codes is open
	last    bool           // the last block has begun
	most    int            // how long out may become, about
}

// begin starts another stream.
func (a *assembler) begin() { a.last, a.coded = false, false }

// piece writes what ends in a piece.
func (a *assembler) piece(p *piece) error {
	if p.first {
		a.blocks.Begin()
	}
	pos := int(p.from-p.low) + p.overlap
	a.chunk.enter(p.data, pos)
	for _, t := range p.tokens {
		if a.chunk.tokens == 0 {
			if err := a.fetch(); err != nil {
				return err
			}
		}
		a.chunk.add(t)
		a.pending = append(a.pending, t)
		pos += t.Len()
		full := ends(a.blocks, &a.framing, t, p.end && pos == int(p.to-p.low))
		if full || a.record != nil && a.record.cut && a.record.tokens == a.chunk.tokens {
			if err := a.close(coding.Full); err != nil {
				return err
			}
			a.chunk.reset(pos)
		} else if a.chunk.tokens >= maxChunk {
			return errRecipe
		}
	}
	a.chunk.leave()
	if p.end {
		return a.endPart(p, pos)
	}
	return nil
}

// fetch asks how the next block differs that is predicted, and writes the empty ones that come before.
func (a *assembler) fetch() (err error) {
	for {
		a.record, err = a.next()
		if err != nil || a.record == nil || !a.record.extra {
			return err
		}
		if err := a.empty(&coding.Shape{}, a.record.last); err != nil {
			return err
		}
	}
}

// close writes the chunk.
func (a *assembler) close(end coding.End) error {
	s := a.blocks.Shape(a.chunk.close(end))
	last := end == coding.Close && len(a.framing.Closing) == 0
	kind := uint8(s.Kind)
	if r := a.record; r != nil {
		kind, last = r.kind, r.last
		if r.cut && r.tokens != a.chunk.tokens {
			return errRecipe
		}
		if err := a.replace(&s); err != nil {
			return err
		}
	}
	err := a.write(kind, &s, last)
	a.blocks.Wrote(&s)
	a.pending = a.pending[:0]
	return err
}

// replace sets a shape to what the record says.
func (a *assembler) replace(s *coding.Shape) error {
	predicted := s
	if s.Kind != coding.Dynamic {
		predicted = &coding.Shape{}
	}
	switch a.record.kind {
	case uint8(coding.Dynamic):
		made, err := a.codes(predicted)
		if err != nil {
			return err
		}
		*s = *made
	case held, dropped:
		*s = coding.Shape{Kind: coding.Continued}
	default:
		*s = coding.Shape{Kind: coding.Kind(a.record.kind)}
	}
	return nil
}

// write writes the chunk in a shape.
func (a *assembler) write(kind uint8, s *coding.Shape, last bool) error {
	if kind == held || kind == uint8(coding.Stored) {
		if a.held = append(a.held, a.chunk.Content...); a.chunk.Content == nil || len(a.held) > maxContent {
			return errRecipe
		}
		if kind == held {
			return nil
		}
	} else if len(a.held) > 0 || kind == dropped {
		return errRecipe
	}
	if s.Kind != coding.Continued {
		if err := a.start(s, last); err != nil {
			return err
		}
	}
	if s.Kind == coding.Stored {
		content := a.held
		a.held = a.held[:0]
		return a.storedBlock(content)
	}
	if !a.coded || !a.tokens(a.pending) {
		return errRecipe
	}
	return nil
}

func (a *assembler) storedBlock(content []byte) error {
	if len(content) > 0xffff {
		return errRecipe
	}
	padding := uint8(0)
	if a.record != nil {
		padding = a.record.padding
	}
	a.stored(content, padding)
	return nil
}

// start begins a block.
func (a *assembler) start(s *coding.Shape, last bool) error {
	if a.last || len(a.out) > a.most {
		return errRecipe
	}
	a.endCoded()
	a.writer.begin(s, last)
	a.last, a.coded = last, s.Kind != coding.Stored
	return nil
}

// endCoded ends the block that is open.
func (a *assembler) endCoded() {
	if a.coded {
		a.endBlock()
		a.coded = false
	}
}

// empty writes a block without content: as the record says, or as predicted. It sets s to what was written.
func (a *assembler) empty(s *coding.Shape, last bool) error {
	if r := a.record; r != nil {
		if last = r.last; r.kind == uint8(coding.Continued) || r.kind == held || r.cut {
			return errRecipe
		}
		if err := a.replace(s); err != nil || r.kind == dropped {
			return err
		}
	}
	if len(a.held) > 0 {
		return errRecipe
	}
	if err := a.start(s, last); err != nil {
		return err
	}
	if s.Kind == coding.Stored {
		return a.storedBlock(nil)
	}
	a.endCoded()
	return nil
}

// endPart ends the chunk, and writes the empty blocks that follow a part.
func (a *assembler) endPart(p *piece, pos int) error {
	end, pending := endOf(p), a.chunk.tokens > 0
	if pending {
		if err := a.close(end); err != nil {
			return err
		}
	}
	a.chunk.reset(pos)
	if !p.last && (a.last || a.record != nil && a.record.open) {
		return nil
	}
	a.endCoded()
	if !a.last {
		predicted := emptyBehind(a.framing, p.last, a.n)
		if p.last && !pending && len(a.framing.Closing) == 0 {
			predicted = []empty{{a.blocks.Shape(a.chunk.close(end)), true, true}}
		}
		if err := a.emptyBlocks(predicted); err != nil {
			return err
		}
		a.chunk.reset(pos)
	}
	if !p.last {
		return nil
	}
	return a.finish()
}

func (a *assembler) emptyBlocks(predicted []empty) error {
	for i := range predicted {
		e := &predicted[i]
		if err := a.fetch(); err != nil {
			return err
		}
		if err := a.empty(&e.Shape, e.last); err != nil {
			return err
		}
		if e.model && e.Kind != coding.Continued {
			a.blocks.Wrote(&e.Shape)
		}
		if a.last {
			return nil
		}
	}
	return nil
}

// finish writes the empty blocks that end a stream against prediction.
func (a *assembler) finish() error {
	for !a.last {
		var err error
		if a.record, err = a.next(); err != nil {
			return err
		}
		if a.record == nil || !a.record.extra {
			return errRecipe
		}
		if err := a.empty(&coding.Shape{}, a.record.last); err != nil {
			return err
		}
	}
	a.endCoded()
	if len(a.held) > 0 {
		return errRecipe
	}
	return nil
}
