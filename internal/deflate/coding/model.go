package coding

// Model is how an encoder at a level behaves: which tokens it finds, where it ends its blocks and how it
// writes them. A model that has been released never changes, because recipes rely on it. A Model may be used
// concurrently; what it makes may not.
type Model interface {
	// Name says which encoder it is: "zlib -6". People read it, and recipes call the model by it, so that it
	// never changes either. It has at most 64 bytes of printable ASCII.
	Name() string
	// Framing says how the encoder cuts its content in parts, and how it ends.
	Framing() Framing
	// Predictor finds tokens.
	Predictor() Predictor
	// Blocks decides on blocks.
	Blocks() Blocks
}

// Framing is how an encoder cuts its content in parts that it handles as streams of their own, and how the
// stream ends. The zero Framing is that of zlib: there is one part, and the last block of it, which may be
// empty, says that it is the last.
type Framing struct {
	// Part is how many bytes of content are handled as one stream, as pigz and pgzip do. Zero means all.
	Part int
	// Dictionary is how many bytes before it a part knows.
	Dictionary int
	// Empty says that content of a whole number of parts ends with a part of no bytes.
	Empty bool
	// Marker says which empty blocks follow a part that is not the last. The output stands at this bit of a
	// byte, 0 to 7. An empty block is Stored or Fixed. Nil means none.
	Marker func(bit int) []Kind
	// Closing are the empty blocks that end the stream. The last of them says that it is the last block. With
	// none, the last block of the last part says so. Go's encoder closes with a Stored one.
	Closing []Kind
	// Holds says that the encoder holds a literal back until it has seen what follows. One that ends a part is
	// written when the part is over, and does not end a block of its own.
	Holds bool
	// Align is where stretches may begin and end: at multiples of it, counted from the beginning of a part, for
	// an encoder that decides on such a run of content as a whole. No token crosses such a place then. Zero
	// means that they may begin anywhere.
	Align int
	// Serial says that a predictor that begins in the middle of a part is wrong for long, because the encoder
	// leaves out positions by what it did before. The stretches of a part are predicted one after the other
	// then, by Slide. Otherwise they are predicted side by side.
	Serial bool
}

// Predictor guesses the tokens of a stretch of content. It is told where it was wrong, and goes on from what
// was right.
type Predictor interface {
	// Begin places it at s.Data[s.From], with nothing known but s.
	//
	// A stretch that does not begin a part is begun well before the place that counts, at a multiple of
	// Framing.Align, so that the predictor can find its way into what the encoder did.
	Begin(s Stretch)
	// Slide goes on in s, when the position is at s.To of the stretch before or behind it. Nothing has changed
	// but the buffer: the position is s.From now, and s.Offset says how far the bytes moved. At least Window
	// bytes precede s.From, or all that the part knows.
	Slide(s Stretch)
	// Predict returns the token that the encoder would write here, and moves behind it. It is called while its
	// position is before s.To.
	Predict() Token
	// Correct replaces the token that Predict returned last: the position is behind t then. The content has t.
	Correct(t Token)
	// Work is how many steps it has taken so far, about: places that a search looked at, eight bytes that were
	// compared there, and bytes that it looked at in vain, because a correction came before them. The same
	// calls give the same number. What every predictor does for each byte of content does not count.
	Work() int64
}

// Stretch is a piece of a part that is looked at by itself. All of it lies in one part and its dictionary.
type Stretch struct {
	Data []byte // what comes before, the stretch, and what follows
	// From is where the stretch begins in Data. At least Window bytes precede it, or all that the part knows.
	From int
	// To is where it ends. The last token may end behind it. At least Lookahead bytes follow, or the part ends
	// with Data. In an empty part, To is From, and Predict is not called.
	To int
	// Offset is where Data[0] stands in its part. It is negative in the dictionary.
	Offset int64
	End    bool // the part ends with Data
}

// Lookahead is how much of the content a predictor can look at behind the end of a stretch. Encoders of old
// read no more than their window, and may find other matches when they know what follows.
const Lookahead = 68 << 10

// Blocks decides how tokens become blocks. It sees all tokens of a part in order. The parts of a stream are
// handled one after the other.
type Blocks interface {
	// Begin starts a part.
	Begin()
	// Add takes a token, and reports whether the encoder ends a block behind it.
	Add(t Token) bool
	// Shape says how the encoder writes the block that ends behind the token that Add took last. It is called
	// when Add reports an end, when a part ends, and also where the encoder that is looked at ended a block and
	// the model did not. A part that ends without a token since the last block has no more block, except that
	// the last part without a Closing does.
	//
	// Wrote follows, with what the encoder did.
	Shape(b *Block) Shape
	// Wrote says how the block was written. It equals what Shape returned, where the model is right.
	Wrote(s *Shape)
}

// Block is one that is to be written.
type Block struct {
	Frequencies
	// Content is what the tokens stand for. It is nil if it has more than 64 KiB.
	Content []byte
	Size    int // how many bytes the content has
	// Left is how many bytes of the part follow. It is not exact from 64 KiB on.
	Left int
	End  End
}

// End is why a block ends.
type End uint8

// The reasons.
const (
	Full  End = iota // the encoder says so
	Flush            // the part ends
	Close            // the content ends
)

// The alphabets of a block with codes of its own.
const (
	Literals  = 286 // literals, the end of the block, lengths
	Distances = 30
	Headers   = 19 // code lengths, and repetitions of them
	EndBlock  = 256
)

// Kind is how a block is written. The numbers are those of deflate.
type Kind uint8

// The kinds.
const (
	Stored Kind = iota
	Fixed
	Dynamic
	// Continued is no kind of deflate: the tokens belong to the block before, which goes on with its codes.
	Continued
)

// Shape is how a block is written.
type Shape struct {
	Kind Kind
	// Code are the codes of a Dynamic block.
	Code
	Header Header // of a Dynamic block
}

// Code has the code lengths of a block. Zero is a symbol without a code.
type Code struct {
	Literals  [Literals]uint8
	Distances [Distances]uint8
}

// Header is how the code lengths of a Dynamic block are written
// (https://www.rfc-editor.org/rfc/rfc1951#section-3.2.7).
type Header struct {
	Literals, Distances int // how many code lengths are written, HLIT + 257 and HDIST + 1
	// Symbols are what they are written as. A slice that Shape returned is valid until it is called again.
	Symbols []HeaderSymbol
	Lengths [Headers]uint8 // of the code that the symbols are written in
	Count   int            // how many of these lengths are written, HCLEN + 4
}

// HeaderSymbol is one of the symbols that code lengths are written as, and the value of its extra bits.
type HeaderSymbol struct{ Symbol, Extra uint8 }
