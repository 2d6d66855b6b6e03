package deflate

import "drayage/internal/deflate/coding"

// empty is a block without content that is predicted.
type empty struct {
	coding.Shape
	last  bool
	model bool // the model's Blocks made the shape
}

// emptyBehind are the empty blocks that the framing puts behind a part, or at the end of the stream.
func emptyBehind(f coding.Framing, last bool, bit int) (all []empty) {
	kinds := f.Closing
	if !last {
		kinds = nil
		if f.Marker != nil {
			kinds = f.Marker(bit)
		}
	}
	for i, k := range kinds {
		all = append(all, empty{coding.Shape{Kind: k}, last && i == len(kinds)-1, false})
	}
	return all
}

// endOf is why the last block of a part ends.
func endOf(p *piece) coding.End {
	if p.last {
		return coding.Close
	}
	return coding.Flush
}

// ends reports whether an encoder ends a block behind a token, which may be the last one of its part.
func ends(b coding.Blocks, f *coding.Framing, t coding.Token, last bool) bool {
	full := b.Add(t)
	return full && !(last && f.Holds && !t.IsMatch())
}
