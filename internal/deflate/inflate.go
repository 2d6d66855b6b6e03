package deflate

import (
	"io"
	"slices"

	"drayage/internal/deflate/coding"
)

// maxStarts is how many blocks a feed holds. Encoders make blocks of some thousand bytes.
const maxStarts = 8192

// inflater parses a deflate stream.
type inflater struct {
	in                  *bitReader
	f                   *feed
	literals, distances decoder
	kind                coding.Kind // of the block that it is in
	inside              bool
	last                bool
	stored              int  // how much of a Stored block is to come
	forget              bool // only the content is wanted
}

// decode parses until so much more content is in the feed, or the stream ends.
func (p *inflater) decode(more int) error {
	want := len(p.f.content) + more
	for len(p.f.content) < want && !p.f.ended {
		if err := p.step(want); err != nil {
			return err
		}
	}
	return nil
}

func (p *inflater) step(want int) error {
	switch {
	case !p.inside:
		return p.begin()
	case p.kind == coding.Stored:
		return p.copyStored(want)
	}
	done, err := p.symbols(want)
	if done && err == nil {
		p.leave()
	}
	return err
}

// leave ends a block.
func (p *inflater) leave() {
	p.inside = false
	if p.last {
		p.f.ended = true
		p.f.padding = p.in.align()
	}
}

func (p *inflater) begin() error {
	s := &start{at: p.f.end(), bit: p.in.bit()}
	s.last = p.in.take(1) == 1
	s.Kind = coding.Kind(p.in.take(2))
	err := p.in.ended()
	if err != nil {
		return err
	}
	switch s.Kind {
	case coding.Stored:
		err = p.beginStored(s)
	case coding.Fixed:
		p.literals.set(slices.Concat(coding.FixedCode.Literals[:], []uint8{8, 8}))
		p.distances.set(slices.Concat(coding.FixedCode.Distances[:], []uint8{5, 5}))
	case coding.Dynamic:
		if err = readHeader(p.in, &s.Shape); err == nil {
			p.literals.set(s.Code.Literals[:])
			p.distances.set(s.Code.Distances[:])
		}
	default:
		err = errCorrupt
	}
	if e := p.in.ended(); e != nil {
		err = e
	}
	if err != nil {
		return err
	}
	if len(p.f.starts) >= maxStarts {
		p.forget = true
	}
	if !p.forget {
		p.f.starts = append(p.f.starts, s)
	}
	p.kind, p.inside, p.last = s.Kind, true, s.last
	if s.Kind == coding.Stored && p.stored == 0 {
		p.leave()
	}
	return nil
}

func (p *inflater) beginStored(s *start) error {
	s.padding = p.in.align()
	var lengths [4]byte
	if _, err := io.ReadFull(p.in, lengths[:]); err != nil {
		return noEOF(err)
	}
	p.stored = int(lengths[0]) | int(lengths[1])<<8
	s.size = p.stored
	if p.stored^0xffff != int(lengths[2])|int(lengths[3])<<8 {
		return errCorrupt
	}
	if p.stored > 0 && !p.forget {
		p.f.runs = append(p.f.runs, run{s.at, p.stored})
	}
	return nil
}

func (p *inflater) copyStored(want int) error {
	at := len(p.f.content)
	n := min(p.stored, want-at)
	p.f.content = append(p.f.content, make([]byte, n)...)
	if _, err := io.ReadFull(p.in, p.f.content[at:]); err != nil {
		return noEOF(err)
	}
	if p.stored -= n; p.stored == 0 {
		p.leave()
	}
	return nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// symbols parses tokens until there is enough content, or the block ends.
func (p *inflater) symbols(want int) (done bool, err error) {
	b, content, tokens := p.in, p.f.content, p.f.tokens
	defer func() {
		p.f.content, p.f.tokens = content, tokens
		if p.forget {
			p.f.tokens = tokens[:0]
		}
	}()
	for len(content) < want {
		b.fill()
		entry := p.literals.look(b.bits)
		used := int(entry & lengthMask)
		b.bits >>= used
		b.n -= used
		symbol := int(entry >> lengthBits)
		if symbol < coding.EndBlock && used > 0 && b.n >= 0 {
			content = append(content, byte(symbol))
			tokens = append(tokens, coding.Token(symbol))
			continue
		}
		if symbol == coding.EndBlock {
			return true, b.ended()
		}
		t, err := p.match(symbol)
		if err != nil {
			return false, err
		}
		if int64(t.Distance()) > p.f.base+int64(len(content)) {
			return false, errCorrupt
		}
		content = repeat(content, t.Len(), t.Distance())
		tokens = append(tokens, t)
	}
	return false, nil
}

// match reads the rest of a match whose length has the symbol.
func (p *inflater) match(symbol int) (coding.Token, error) {
	b := p.in
	if symbol < 257 || symbol >= coding.Literals {
		if err := b.ended(); err != nil {
			return 0, err
		}
		return 0, errCorrupt
	}
	length := int(coding.LengthBase[symbol-257]) + p.extra(coding.LengthExtra[symbol-257])
	entry := p.distances.look(b.bits)
	used := int(entry & lengthMask)
	b.bits >>= used
	b.n -= used
	d := entry >> lengthBits
	if used == 0 || d >= coding.Distances {
		if err := b.ended(); err != nil {
			return 0, err
		}
		return 0, errCorrupt
	}
	distance := int(coding.DistanceBase[d]) + p.extra(coding.DistanceExtra[d])
	t := coding.Match(length, distance)
	if length == coding.MaxMatch && symbol < 285 {
		t |= coding.Spelled
	}
	return t, b.ended()
}

// extra takes bits that are valid.
func (p *inflater) extra(n uint8) int {
	v := int(p.in.bits & (1<<n - 1))
	p.in.bits >>= n
	p.in.n -= int(n)
	return v
}

// repeat appends what stands at a distance.
func repeat(content []byte, length, distance int) []byte {
	from := len(content) - distance
	if distance >= length {
		return append(content, content[from:from+length]...)
	}
	for length > 0 {
		n := min(length, distance)
		content = append(content, content[from:from+n]...)
		length -= n
		distance += n
	}
	return content
}
