package marks

// Span is a part of a blob, from Off up to End.
type Span struct{ Off, End int64 }

// Prefix is the first n bytes as spans.
func Prefix(n int64) []Span {
	if n <= 0 {
		return nil
	}
	return []Span{{0, n}}
}

// Cut divides spans into how far they go without a gap from the start and what is beyond.
func Cut(spans []Span) (prefix int64, beyond []Span) {
	if len(spans) > 0 && spans[0].Off == 0 {
		return spans[0].End, spans[1:]
	}
	return 0, spans
}

// Sum is how many bytes spans have together.
func Sum(spans []Span) (n int64) {
	for _, s := range spans {
		n += s.End - s.Off
	}
	return n
}

// End is where the last of spans ends.
func End(spans []Span) int64 {
	if len(spans) == 0 {
		return 0
	}
	return spans[len(spans)-1].End
}

// Clip is what of spans is below size.
func Clip(spans []Span, size int64) (all []Span) {
	for _, s := range spans {
		if s.Off < size {
			all = append(all, Span{s.Off, min(s.End, size)})
		}
	}
	return all
}

// Ordered reports whether spans are in order, have bytes, and do not touch each other, below size.
func Ordered(spans []Span, size int64) bool {
	last := int64(-1)
	for _, s := range spans {
		if s.Off <= last || s.End <= s.Off {
			return false
		}
		last = s.End
	}
	return last <= size
}
