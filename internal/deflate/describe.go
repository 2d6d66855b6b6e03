package deflate

import (
	"encoding/binary"

	"drayage/internal/deflate/coding"
)

// describer compares the blocks of a stream with those that a model predicts, and notes what differs. It is
// shown the pieces of all members in order.
type describer struct {
	blocks  coding.Blocks
	framing coding.Framing
	chunk   chunk
	starts  []*start // blocks that begin at pos or behind it
	current *start   // the block in which pos is
	fresh   bool     // nothing of it is in a chunk that was closed
	pos     int64
	partEnd int64 // if the piece ends its part and more follow, where that is, else -1
	right   uint64
	records int
	put     func([]byte) // takes the column
}

// piece describes the blocks of a piece, whose tokens are known, and in which starts begin.
func (d *describer) piece(p *piece, starts []*start) {
	d.starts = append(d.starts, starts...)
	if p.first {
		d.blocks.Begin()
	}
	d.pos, d.partEnd = p.from+int64(p.overlap), -1
	if p.end && !p.last {
		d.partEnd = p.to
	}
	d.chunk.enter(p.data, int(d.pos-p.low))
	for _, t := range p.tokens {
		if len(d.starts) > 0 && d.starts[0].at == d.pos {
			d.enterBlock(p)
		}
		d.chunk.add(t)
		d.pos += int64(t.Len())
		if ends(d.blocks, &d.framing, t, p.end && d.pos == p.to) {
			d.close(coding.Full, true)
			d.chunk.reset(int(d.pos - p.low))
		} else if d.chunk.tokens == maxChunk {
			d.close(coding.Full, false)
			d.chunk.reset(int(d.pos - p.low))
		}
	}
	d.chunk.leave()
	if p.end {
		d.endPart(p)
	}
}

// enterBlock ends a block behind which the model sees no end, and begins those that begin here.
func (d *describer) enterBlock(p *piece) {
	if d.chunk.tokens > 0 {
		d.close(coding.Full, false)
		d.chunk.reset(int(d.pos - p.low))
	}
	for len(d.starts) > 1 && d.starts[1].at == d.pos {
		d.extra(d.starts[0])
		d.starts = d.starts[1:]
	}
	d.current, d.starts = d.starts[0], d.starts[1:]
	d.fresh = true
}

// extra notes an empty block that is not predicted.
func (d *describer) extra(s *start) {
	r := &record{kind: uint8(s.Kind), extra: true, last: s.last, padding: s.padding, shape: s.Shape}
	d.note(r, &coding.Shape{})
}

// close compares the shape of a chunk. The end is natural if the rebuilding side sees it without being told.
func (d *describer) close(end coding.End, natural bool) {
	predicted := d.blocks.Shape(d.chunk.close(end))
	r := &record{cut: !natural, tokens: d.chunk.tokens}
	r.open = d.pos == d.partEnd && (len(d.starts) == 0 || d.starts[0].at != d.pos)
	actual := &coding.Shape{Kind: coding.Continued}
	switch c := d.current; {
	case !d.fresh:
		r.kind = uint8(coding.Continued)
	case c.Kind == coding.Stored && c.at+int64(c.size) > d.pos:
		r.kind = held
	default:
		actual = &c.Shape
		r.kind, r.last, r.padding, r.shape = uint8(c.Kind), c.last, c.padding, c.Shape
		d.fresh = false
	}
	last := end == coding.Close && len(d.framing.Closing) == 0
	if natural && !r.open && r.kind != held && r.padding == 0 && same(&predicted, actual) &&
		(actual.Kind == coding.Continued || r.last == last) {
		d.right++
	} else {
		d.note(r, &predicted)
	}
	d.blocks.Wrote(actual)
}

func (d *describer) note(r *record, predicted *coding.Shape) {
	if predicted.Kind != coding.Dynamic {
		predicted = &coding.Shape{}
	}
	d.put(r.append(binary.AppendUvarint(nil, d.right), predicted))
	d.right = 0
	d.records++
}

// finish ends the column.
func (d *describer) finish() { d.put(binary.AppendUvarint(nil, d.right)) }

// endPart ends the chunk, and compares the empty blocks that follow a part.
func (d *describer) endPart(p *piece) {
	end := endOf(p)
	pending := d.chunk.tokens > 0
	if pending {
		d.close(end, true)
	}
	d.chunk.reset(int(d.pos - p.low))
	if ended := d.current != nil && d.current.last; !ended && len(d.starts) > 0 && d.starts[0].at == d.pos {
		predicted := emptyBehind(d.framing, p.last, d.starts[0].bit)
		if p.last && !pending && len(d.framing.Closing) == 0 {
			predicted = []empty{{d.blocks.Shape(d.chunk.close(end)), true, true}}
		}
		d.compareEmpty(predicted, d.empties(p, len(predicted)))
		d.chunk.reset(int(d.pos - p.low))
	}
	if p.last {
		d.current, d.starts = nil, nil
	}
}

// empties takes the empty blocks at the end of a part, behind which so many are predicted.
func (d *describer) empties(p *piece, predicted int) []*start {
	n := 0
	for n < len(d.starts) && d.starts[n].at == d.pos {
		n++
	}
	switch {
	case p.empty:
		n = min(n, predicted)
	case !p.last:
		n-- // the next part begins with it
		if d.starts[n].last {
			n -= max(0, min(n, len(d.framing.Closing)-1)) // and has nothing but empty blocks
		}
	}
	e := d.starts[:n]
	d.starts = d.starts[n:]
	return e
}

// compareEmpty compares empty blocks with those that are predicted.
func (d *describer) compareEmpty(predicted []empty, actual []*start) {
	for i, a := range actual {
		if i >= len(predicted) {
			d.extra(a)
			continue
		}
		if e := &predicted[i]; same(&e.Shape, &a.Shape) && e.last == a.last && a.padding == 0 {
			d.right++
		} else {
			d.note(&record{kind: uint8(a.Kind), last: a.last, padding: a.padding, shape: a.Shape}, &e.Shape)
		}
		if predicted[i].model {
			d.blocks.Wrote(&a.Shape)
		}
		if a.last {
			return
		}
	}
	for i := len(actual); i < len(predicted); i++ {
		d.note(&record{kind: dropped}, &predicted[i].Shape)
	}
}
