package deflate

import (
	"bufio"
	"encoding/binary"
	"io"

	"drayage/internal/deflate/coding"
)

// record says how a block is written that is not as predicted.
type record struct {
	kind    uint8
	extra   bool // an empty block that was not predicted, before what was
	cut     bool // the chunk ends behind so many tokens
	tokens  int
	last    bool // it is the last block
	open    bool // it goes on behind the end of its part
	padding uint8
	shape   coding.Shape // of a Dynamic block
}

// The kinds of records besides those of blocks.
const (
	held    = 4 // the content of the chunk belongs to the Stored block that the next chunks make
	dropped = 5 // an empty block that was predicted is not there
)

// What the first byte of a record says.
const (
	kindBits   = 7
	extraBit   = 1 << 3
	cutBit     = 1 << 4
	lastBit    = 1 << 5
	openBit    = 1 << 6
	paddingBit = 1 << 7
)

// What the first byte of the codes of a Dynamic block says.
const (
	codeBit    = 1 << iota // the code lengths follow, less those that are predicted
	symbolBit              // the header's symbols follow; the code lengths are what they say
	lengthsBit             // the lengths of the code of header symbols follow, less those that are predicted
)

func (r *record) append(to []byte, predicted *coding.Shape) []byte {
	first := r.kind
	for bit, set := range map[uint8]bool{
		extraBit: r.extra, cutBit: r.cut, lastBit: r.last, openBit: r.open, paddingBit: r.padding != 0,
	} {
		if set {
			first |= bit
		}
	}
	to = append(to, first)
	if r.cut {
		to = binary.AppendUvarint(to, uint64(r.tokens))
	}
	if r.padding != 0 {
		to = append(to, r.padding)
	}
	if r.kind == uint8(coding.Dynamic) {
		to = appendShape(to, &r.shape, predicted)
	}
	return to
}

func appendShape(to []byte, s, predicted *coding.Shape) []byte {
	var flags byte
	if s.Code != predicted.Code {
		flags |= codeBit
	}
	guess := s.Header
	guess.Symbols = nil
	runs(&guess, &s.Code)
	if flags == 0 {
		guess.Symbols = predicted.Header.Symbols
	}
	if !sameHeader(&guess, &s.Header) {
		flags = flags&^codeBit | symbolBit
	}
	if s.Header.Lengths != predicted.Header.Lengths || s.Header.Count != predicted.Header.Count {
		flags |= lengthsBit
	}
	to = append(to, flags, byte(s.Header.Literals-257), byte(s.Header.Distances-1))
	if flags&codeBit != 0 {
		to = appendDifferences(to, s.Code.Literals[:], predicted.Code.Literals[:])
		to = appendDifferences(to, s.Code.Distances[:], predicted.Code.Distances[:])
	}
	if flags&symbolBit != 0 {
		to = binary.AppendUvarint(to, uint64(len(s.Header.Symbols)))
		for _, h := range s.Header.Symbols {
			to = append(to, h.Symbol)
		}
		for _, h := range s.Header.Symbols {
			to = append(to, h.Extra)
		}
	}
	if flags&lengthsBit != 0 {
		to = append(to, byte(s.Header.Count))
		to = appendDifferences(to, s.Header.Lengths[:], predicted.Header.Lengths[:])
	}
	return to
}

func appendDifferences(to []byte, s, predicted []uint8) []byte {
	for i, l := range s {
		to = append(to, l-predicted[i])
	}
	return to
}

// recordReader reads the column of records.
type recordReader struct {
	*bufio.Reader
	most int // how many more there may be
}

// uvarint reads a number up to a limit.
func uvarint(r io.ByteReader, most uint64) (uint64, error) {
	v, err := binary.ReadUvarint(r)
	if err != nil || v > most {
		return 0, errRecipe
	}
	return v, nil
}

// header reads all of a record but the shape.
func (r *recordReader) header() (*record, error) {
	first, err := r.ReadByte()
	if err != nil || r.most == 0 {
		return nil, errRecipe
	}
	r.most--
	s := &record{
		kind: first & kindBits, extra: first&extraBit != 0, cut: first&cutBit != 0, last: first&lastBit != 0,
		open: first&openBit != 0,
	}
	if s.kind > dropped {
		return nil, errRecipe
	}
	if s.cut {
		n, err := uvarint(r, maxChunk)
		if err != nil || n == 0 {
			return nil, errRecipe
		}
		s.tokens = int(n)
	}
	if first&paddingBit != 0 {
		if s.padding, err = r.ReadByte(); err != nil {
			return nil, errRecipe
		}
	}
	return s, nil
}

// codes reads the codes of a Dynamic block.
func (r *recordReader) codes(predicted *coding.Shape) (*coding.Shape, error) {
	var head [3]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, errRecipe
	}
	s := &coding.Shape{Kind: coding.Dynamic, Code: predicted.Code}
	h, flags := &s.Header, head[0]
	h.Literals, h.Distances = int(head[1])+257, int(head[2])+1
	if h.Literals > coding.Literals || h.Distances > coding.Distances {
		return nil, errRecipe
	}
	h.Lengths, h.Count = predicted.Header.Lengths, predicted.Header.Count
	var err error
	switch {
	case flags&symbolBit != 0:
		h.Symbols, err = r.symbols()
	case flags&codeBit != 0:
		if err = r.differences(s.Code.Literals[:]); err == nil {
			err = r.differences(s.Code.Distances[:])
		}
		runs(h, &s.Code)
	default:
		h.Symbols = predicted.Header.Symbols
	}
	if err == nil && flags&lengthsBit != 0 {
		var count byte
		count, err = r.ReadByte()
		h.Count = int(count)
		if err == nil {
			err = r.differences(h.Lengths[:])
		}
	}
	if err != nil || expand(h, &s.Code) != nil {
		return nil, errRecipe
	}
	return s, checkHeader(h)
}

// checkHeader refuses a header whose symbols cannot be written.
func checkHeader(h *coding.Header) error {
	if h.Count < 4 || h.Count > coding.Headers || completenessOf(h.Lengths[:]) != complete {
		return errRecipe
	}
	for i, symbol := range coding.HeaderOrder {
		if l := h.Lengths[symbol]; l > maxHeaderCode || l > 0 && i >= h.Count {
			return errRecipe
		}
	}
	for _, s := range h.Symbols {
		if h.Lengths[s.Symbol] == 0 {
			return errRecipe
		}
	}
	return nil
}

func (r *recordReader) symbols() ([]coding.HeaderSymbol, error) {
	n, err := uvarint(r, coding.Literals+coding.Distances)
	if err != nil {
		return nil, err
	}
	both := make([]byte, 2*n)
	if _, err := io.ReadFull(r, both); err != nil {
		return nil, errRecipe
	}
	symbols := make([]coding.HeaderSymbol, n)
	for i := range symbols {
		s, extra := both[i], both[int(n)+i]
		if s >= coding.Headers || s < 16 && extra > 0 || s >= 16 && extra >= 1<<repeatBits[s-16] {
			return nil, errRecipe
		}
		symbols[i] = coding.HeaderSymbol{Symbol: s, Extra: extra}
	}
	return symbols, nil
}

// differences adds what it reads to code lengths.
func (r *recordReader) differences(to []uint8) error {
	for i := range to {
		d, err := r.ReadByte()
		if err != nil {
			return errRecipe
		}
		if to[i] += d; to[i] > maxCode {
			return errRecipe
		}
	}
	return nil
}
