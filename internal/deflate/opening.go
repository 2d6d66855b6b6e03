package deflate

import (
	"slices"

	"drayage/internal/deflate/coding"
)

// possible leaves out the models that cannot have written what the feed begins with, unless that is all of
// them.
func (f *feed) possible(all []coding.Model) []coding.Model {
	o := coding.Opening{Short: slices.ContainsFunc(f.tokens, func(t coding.Token) bool {
		return t.Len() == coding.MinMatch
	})}
	o.Size, o.Tokens = f.firstBlock()
	left := slices.DeleteFunc(slices.Clone(all), func(m coding.Model) bool {
		p, ok := m.(coding.Picky)
		return ok && p.Refuses(o)
	})
	if len(left) == 0 {
		return all
	}
	return left
}

// firstBlock is how many bytes and tokens the first block has. Zero is a block that may have ended for
// another reason than that it was full, or has no tokens.
func (f *feed) firstBlock() (size, tokens int) {
	if len(f.starts) < 3 || f.base > 0 || f.starts[1].at == f.starts[2].at {
		return 0, 0 // an empty block follows where the encoder was told to flush
	}
	size = int(f.starts[1].at)
	if f.starts[0].Kind == coding.Stored {
		return size, 0
	}
	for at := 0; at < size; tokens++ {
		at += f.tokens[tokens].Len()
	}
	return size, tokens
}
