package deflate

import (
	"context"
	"errors"
	"io"

	"drayage/internal/deflate/coding"
)

// Encoder is an encoder as its model is. A model alone makes what the encoder would have made.
type Encoder struct {
	model coding.Model
	// Header is what the gzip file begins with, up to the blocks. Nil means no name, no time, and system 255.
	Header []byte
}

// Encoders are all that are known.
func Encoders() []Encoder {
	var all []Encoder
	for _, m := range Models() {
		all = append(all, Encoder{model: m})
	}
	return all
}

// Name says which encoder it is: "zlib -6".
func (e Encoder) Name() string { return e.model.Name() }

// header begins a file as most encoders do: with no name, no time, and an unknown system.
const header = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

// Compress writes the gzip file that an encoder makes of content.
func Compress(ctx context.Context, e Encoder, w io.Writer, content io.Reader) error {
	head := e.Header
	if head == nil {
		head = []byte(header)
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	c := &compressor{ctx: ctx, content: content, w: w, f: e.model.Framing(), predictor: e.model.Predictor()}
	c.asm = &assembler{script: faithful{}, blocks: e.model.Blocks(), framing: c.f, most: 1 << 30}
	if err := guarded(c.all); err != nil {
		return err
	}
	c.asm.align(0)
	c.asm.out = c.sum.append(c.asm.out)
	return c.flush()
}

// compressor runs a model over content.
type compressor struct {
	ctx       context.Context
	content   io.Reader
	w         io.Writer
	f         coding.Framing
	predictor coding.Predictor
	asm       *assembler
	sum       sum
	buf       []byte
	base      int64 // the place of buf[0]
	ended     bool  // all content is in buf
}

// all compresses the content, stretch by stretch. A predictor goes on from one to the next.
func (c *compressor) all() error {
	f := c.f
	f.Serial = true
	overlap := 0
	var tokens []coding.Token
	for at := (cutter{f: f}); !at.done; {
		e, err := c.extent(&at)
		if err != nil {
			return err
		}
		if e.first {
			overlap = 0
		}
		p := &piece{extent: e, data: c.buf[e.low-c.base : e.high-c.base], overlap: overlap, tokens: tokens[:0]}
		if err := p.restore(c.predictor); err != nil {
			return err
		}
		overlap = p.beyond()
		tokens = p.tokens
		c.sum.Write(p.content(e.from, e.to))
		if err := c.asm.piece(p); err != nil {
			return err
		}
		if err := c.flush(); err != nil {
			return err
		}
		at.move(e)
		c.drop(e.to - coding.Window)
	}
	return nil
}

// beyond is how far the last token goes over the end of a piece.
func (p *piece) beyond() int {
	at := p.from + int64(p.overlap)
	for _, t := range p.tokens {
		at += int64(t.Len())
	}
	return int(at - p.to)
}

// extent reads as much as the next stretch needs.
func (c *compressor) extent(at *cutter) (extent, error) {
	e := at.next(unknown)
	if err := c.read(e.high + 1); err != nil {
		return e, err
	}
	if c.ended {
		e = at.next(c.base + int64(len(c.buf)))
	}
	return e, nil
}

// read reads up to a place, or to the end.
func (c *compressor) read(to int64) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	at := len(c.buf)
	if n := int(to-c.base) - at; n > 0 && !c.ended {
		c.buf = append(c.buf, make([]byte, n)...)
		n, err := io.ReadFull(c.content, c.buf[at:])
		c.buf = c.buf[:at+n]
		if c.ended = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF); !c.ended {
			return err
		}
	}
	return nil
}

func (c *compressor) drop(at int64) {
	if n := int(at - c.base); n > 0 {
		c.buf = c.buf[:copy(c.buf, c.buf[n:])]
		c.base = at
	}
}

func (c *compressor) flush() error {
	_, err := c.w.Write(c.asm.out)
	c.asm.out = c.asm.out[:0]
	return err
}
