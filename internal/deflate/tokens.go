package deflate

import (
	"encoding/binary"

	"drayage/internal/deflate/coding"
)

// The column of tokens has, for each piece: where its first token begins, how many corrections there are, and
// of these the gaps, then the lengths (1 for a literal), then the distances of the matches.

// spelled is the length of a match that is written as no model does.
const spelledLength = coding.MaxMatch + 1

func (p *piece) appendCorrections(to []byte) []byte {
	to = binary.AppendUvarint(to, uint64(p.overlap))
	to = binary.AppendUvarint(to, uint64(len(p.corrections)))
	for _, c := range p.corrections {
		to = binary.AppendUvarint(to, uint64(c.gap))
	}
	for _, c := range p.corrections {
		n := c.token.Len()
		if c.token&coding.Spelled != 0 {
			n = spelledLength
		}
		to = binary.AppendUvarint(to, uint64(n))
	}
	for _, c := range p.corrections {
		if c.token.IsMatch() {
			to = binary.AppendUvarint(to, uint64(c.token.Distance()))
		}
	}
	return to
}

// readCorrections reads those of a piece.
func (p *piece) readCorrections(r *columnReader) error {
	n, err := uvarint(r, coding.MaxMatch)
	if err != nil {
		return err
	}
	p.overlap = int(n)
	size := uint64(p.to - p.from)
	if n, err = uvarint(r, size); err != nil {
		return err
	}
	p.corrections = make([]correction, n)
	for i := range p.corrections {
		if n, err = uvarint(r, size); err != nil {
			return err
		}
		p.corrections[i].gap = uint32(n)
	}
	for i := range p.corrections {
		if n, err = uvarint(r, spelledLength); err != nil || n == 0 || n == 2 {
			return errRecipe
		}
		p.corrections[i].token = coding.Token(n << 16)
	}
	for i := range p.corrections {
		if err := readDistance(r, &p.corrections[i].token); err != nil {
			return err
		}
	}
	return nil
}

// readDistance completes a token whose length is known.
func readDistance(r *columnReader, t *coding.Token) error {
	n := int(*t >> 16)
	if n == 1 {
		*t = coding.Literal(0)
		return nil
	}
	d, err := uvarint(r, coding.Window)
	if err != nil || d == 0 {
		return errRecipe
	}
	if *t = coding.Match(min(n, coding.MaxMatch), int(d)); n == spelledLength {
		*t |= coding.Spelled
	}
	return nil
}

// append adds a member to its column.
func (m *member) append(to []byte) []byte {
	to = append(binary.AppendUvarint(to, uint64(len(m.header))), m.header...)
	to = binary.AppendUvarint(to, uint64(m.size))
	to = append(to, m.padding)
	return append(append(to, byte(len(m.trailer))), m.trailer...)
}
