package deflate

import "drayage/internal/deflate/coding"

// feed is what has been parsed of a member, and not looked at yet. Places are offsets in the content of the
// member.
type feed struct {
	content []byte
	base    int64 // the place of content[0]
	tokens  []coding.Token
	first   int64 // the place of tokens[0]
	runs    []run
	starts  []*start
	ended   bool // the last block is in it
	padding uint8
	view    bool // it shares its tokens with another one
}

// look is a view of the feed, from which can be taken.
func (f *feed) look() *feed {
	v := *f
	v.view, v.runs = true, append([]run(nil), f.runs...)
	return &v
}

// run is content of a Stored block, which has no tokens.
type run struct {
	at int64
	n  int
}

// start is where a block begins.
type start struct {
	coding.Shape
	at      int64
	size    int   // of a Stored block
	last    bool  // it says that it is the last one
	bit     int   // where in a byte it begins
	padding uint8 // what stands before the length of a Stored block
}

// end is the place behind what has been parsed.
func (f *feed) end() int64 { return f.base + int64(len(f.content)) }

// drop forgets content before a place.
func (f *feed) drop(at int64) {
	if n := int(at - f.base); n > 0 {
		f.content = f.content[:copy(f.content, f.content[n:])]
		f.base = at
	}
}

// taken is what a feed gave away.
type taken struct {
	tokens []coding.Token
	runs   []run
	starts []*start
	at     int64 // the place of the first token
}

// take gives away the tokens that begin before a place. A run is divided there. Blocks that begin at the
// place itself are given away too if a part ends there.
func (f *feed) take(to int64, part bool) taken {
	t := taken{at: f.first}
	n, at := 0, f.first
	for at < to {
		if len(f.runs) > 0 && f.runs[0].at == at {
			r := &f.runs[0]
			m := int(min(int64(r.n), to-at))
			t.runs = append(t.runs, run{at, m})
			at += int64(m)
			if r.at, r.n = at, r.n-m; r.n == 0 {
				f.runs = f.runs[1:]
			}
			continue
		}
		at += int64(f.tokens[n].Len())
		n++
	}
	if f.view {
		t.tokens, f.tokens = f.tokens[:n:n], f.tokens[n:]
	} else {
		t.tokens = append([]coding.Token(nil), f.tokens[:n]...)
		f.tokens = f.tokens[:copy(f.tokens, f.tokens[n:])]
	}
	f.first = at
	n = 0
	for n < len(f.starts) && (f.starts[n].at < to || part && f.starts[n].at == to) {
		n++
	}
	t.starts, f.starts = f.starts[:n:n], f.starts[n:]
	return t
}
