package coding

// Opening is how a stream begins.
type Opening struct {
	Short bool // there is a match of MinMatch bytes
	// Size and Tokens are what the first block has, if the encoder ended it because it was full. Zero means
	// that this is not known.
	Size, Tokens int
}

// Kin is a Model whose tokens others may predict as well.
type Kin interface {
	Model
	// Tokens says what the tokens depend on. Models for which it is equal predict the same ones.
	Tokens() string
}

// Picky is a Model that sees by the opening that a stream is not of its encoder. Nothing need be predicted
// for that.
type Picky interface {
	Model
	// Refuses reports whether the encoder writes no stream that begins so, whatever the content is.
	Refuses(o Opening) bool
}
