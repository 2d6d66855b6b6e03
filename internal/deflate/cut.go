package deflate

import "drayage/internal/deflate/coding"

// A stretch has so many bytes, or a little less. Its predictor begins so far before it.
const (
	stretchSize = 1 << 20
	warmUp      = 32 << 10
)

// extent is where a stretch of a member's content lies, and what a predictor is shown. Places are offsets in
// the content.
type extent struct {
	part     int64 // where its part begins
	from, to int64
	begin    int64 // where the predictor begins
	low      int64 // what it is shown
	high     int64
	slide    bool // a predictor goes on from the stretch before
	whole    bool // the part ends where that ends
	first    bool // the part begins with it
	end      bool // the part ends with it
	last     bool // and it is the last part
	empty    bool // and a part of no bytes follows
}

// unknown is the size of content whose end has not been seen. More than any content has.
const unknown = 1 << 62

// cutter divides the content of a member in stretches.
type cutter struct {
	f    coding.Framing
	part int64
	from int64
	done bool
}

// next is the stretch behind those before, for content of so many bytes.
func (c *cutter) next(size int64) extent {
	f, e := c.f, extent{part: c.part, from: c.from, first: c.from == c.part}
	partEnd := size
	if f.Part > 0 {
		partEnd = min(size, c.part+int64(f.Part))
	}
	e.to = min(partEnd, e.from+c.stretch())
	e.begin = c.part
	if back := e.from - c.part - warmUp; f.Serial {
		e.begin = c.from
	} else if back > 0 {
		e.begin += back - back%int64(max(1, f.Align))
	}
	e.low = max(0, c.part-int64(min(f.Dictionary, coding.Window)), e.begin-coding.Window)
	e.high = min(partEnd, e.to+coding.Lookahead)
	e.end, e.whole = e.to == partEnd, e.high == partEnd
	e.slide = f.Serial && !e.first
	e.last = e.end && partEnd == size && !(f.Empty && partEnd-c.part == int64(f.Part))
	e.empty = e.end && partEnd == size && !e.last
	return e
}

// move goes behind a stretch.
func (c *cutter) move(e extent) {
	c.from = e.to
	if e.end {
		c.part = e.to
	}
	c.done = e.last
}

// stretch is how long one is. Parts that need not be divided are predicted side by side at least.
func (c *cutter) stretch() int64 {
	if p := int64(c.f.Part); p > 0 && p <= 4*stretchSize {
		return p
	}
	if a := int64(c.f.Align); a > 0 {
		return max(1, stretchSize/a) * a
	}
	return stretchSize
}

// shows is what a predictor is shown. The content lies from e.low to e.high.
func (e *extent) shows(data []byte) coding.Stretch {
	return coding.Stretch{
		Data: data, From: int(e.begin - e.low), To: int(e.to - e.low), Offset: e.low - e.part, End: e.whole,
	}
}

// crossed reports whether the last token that was taken goes over the end of the part.
func (e *extent) crossed(f *feed) bool { return e.whole && f.first > e.high }
