package klauspost

import "drayage/internal/deflate/coding"

const (
	chunk = most // how many bytes levels 1 to 6 handle as a whole

	smallChunk = 128 // at the end, less is not searched
	tinyChunk  = 32  // so much of that is stored
	leastChunk = 13  // less is never searched
)

// fastBlocks decides on the blocks of levels 1 to 6, and of those that find no matches: one for each chunk.
type fastBlocks struct {
	writer
	model  *Model
	chunk  int
	tokens int
	size   int
	first  bool   // no chunk of this part precedes
	past   []byte // some chunks before, or the dictionary
	ends   []int  // where each of them ends
	finder finder // made when it is needed
	base   uint32 // of past, in the tables of the finder
	knows  bool   // the finder has seen all of past
	looked bool   // and the chunk at hand
}

// mostPast is how many chunks are kept to know what the finder would have in its tables.
const mostPast = 4

// Begin starts a part.
func (w *fastBlocks) Begin() {
	w.begin()
	w.tokens, w.size, w.first = 0, 0, true
	w.past = w.past[len(w.past)-min(len(w.past), w.model.framing.Dictionary):]
	w.ends = append(w.ends[:0], len(w.past))
	w.knows, w.looked = false, false
}

// Add counts a token, and reports whether it ends its chunk.
func (w *fastBlocks) Add(t coding.Token) bool {
	w.tokens++
	w.size += t.Len()
	return w.size >= w.chunk
}

// Shape says how the chunk is written.
func (w *fastBlocks) Shape(b *coding.Block) coding.Shape {
	w.sync = b.End != coding.Full || b.Left == 0
	s := w.decide(b)
	w.tokens, w.size, w.first = 0, 0, false
	w.remember(b.Content)
	return s
}

// remember keeps the content that the next chunks, or the next part, know.
func (w *fastBlocks) remember(content []byte) {
	w.knows, w.looked = w.looked && w.base < lastBase, false
	if len(w.ends) == mostPast {
		drop := w.ends[0]
		w.past = w.past[:copy(w.past, w.past[drop:])]
		w.base += uint32(drop)
		for i, end := range w.ends[1:] {
			w.ends[i] = end - drop
		}
		w.ends = w.ends[:mostPast-1]
	}
	w.past = append(w.past, content...)
	w.ends = append(w.ends, len(w.past))
}

func (w *fastBlocks) decide(b *coding.Block) coding.Shape {
	switch w.model.level {
	case none:
		return coding.Shape{Kind: coding.Stored}
	case huffman:
		return w.literals(b)
	}
	if !w.model.searches(b.Size, w.first, b.End) {
		if b.Size <= tinyChunk {
			return coding.Shape{Kind: coding.Stored}
		}
		return w.literals(b)
	}
	if w.tokens <= b.Size-b.Size>>4 && w.tokens < b.Size {
		return w.shape(b, w.tokens, b.Size <= most)
	}
	s := w.literals(b)
	searched := w.tokens == b.Size && b.Size >= smallChunk
	if s.Kind != coding.Stored && searched && !w.matches(b.Content) {
		s.Kind = coding.Stored
	}
	return s
}

// matches reports whether the encoder found matches in a chunk that it has then written without them. A chunk
// in which it finds none is stored, even where codes would make it smaller.
func (w *fastBlocks) matches(content []byte) bool {
	if w.finder == nil {
		w.finder = w.model.finder()
	}
	data, from := append(append([]byte(nil), w.past...), content...), len(w.past)
	if !w.knows {
		w.finder.reset()
		w.base, from = firstBase, 0
	}
	var out []coding.Token
	for _, end := range append(w.ends, len(data)) {
		if from < end {
			r := w.model.run(from, end, w.base)
			out = w.finder.find(out[:0], data, &r)
			from = end
		}
	}
	w.looked = true
	return len(out) > 0
}
