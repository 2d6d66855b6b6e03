// Package coding has the words in which a deflate stream is described: tokens, blocks, their codes, and what
// a model of an encoder answers. It follows RFC 1951, https://www.rfc-editor.org/rfc/rfc1951.
package coding

const (
	// Window is how far back a match may reach, in bytes of content.
	Window = 32 << 10
	// MinMatch and MaxMatch are the lengths that a match may have.
	MinMatch, MaxMatch = 3, 258
)

// Token is a literal or a match: what an encoder writes for a run of content.
type Token uint32

// Spelled marks a match of length 258 that is written as 227 and 31 more, which deflate allows. No model
// predicts it.
const Spelled Token = 1 << 31

// Literal is the token of one byte.
func Literal(b byte) Token { return Token(b) }

// Match is the token of length bytes that also stand distance bytes before. Both are within the bounds of
// deflate.
func Match(length, distance int) Token { return Token(length<<16 | distance) }

// IsMatch reports whether the token is a match.
func (t Token) IsMatch() bool { return t>>16 != 0 }

// Byte is that of a literal.
func (t Token) Byte() byte { return byte(t) }

// Distance is that of a match, 1 to Window.
func (t Token) Distance() int { return int(t & 0xffff) }

// Len is how many bytes of content the token stands for.
func (t Token) Len() int { return max(1, int(t>>16&0x1ff)) }
