// Package zlib models the encoders that share the algorithm of zlib: zlib itself, GNU gzip, and pigz, which
// has zlib handle pieces of 128 KiB.
//
// Debian's base layers are made with pigz. Python, Perl, Java and bsdtar use zlib.
package zlib

import (
	"strconv"

	"drayage/internal/deflate/coding"
)

// level says how hard an encoder looks for matches.
type level struct {
	good int // a quarter of the candidates will do when the match before is that long
	// A match as long as lazy is taken without a look at the next position. The levels that are not slow never
	// look there: they do not enter what is in a longer match.
	lazy  int
	nice  int  // a match that long ends the search
	chain int  // how many candidates are looked at
	slow  bool // a match gives way to a longer one at the next position
}

// levels are those of zlib and GNU gzip, which have not changed since 1995.
var levels = [...]level{
	1: {4, 4, 8, 4, false},
	2: {4, 5, 16, 8, false},
	3: {4, 6, 32, 32, false},
	4: {4, 4, 16, 16, true},
	5: {8, 16, 32, 32, true},
	6: {8, 16, 128, 128, true},
	7: {8, 32, 128, 256, true},
	8: {32, 128, 258, 1024, true},
	9: {32, 258, 258, 4096, true},
}

// The window of the encoders is two times 32 KiB. Matches keep away from its end.
const (
	windowSize   = 32 << 10
	minLookahead = coding.MaxMatch + coding.MinMatch + 1
	maxDistance  = windowSize - minLookahead
	tooFar       = 4096 // the slow levels take no match of three bytes from further away
)

// model is one of the encoders at a level.
type model struct {
	name   string
	level  int
	memory int  // zlib's memLevel
	gnu    bool // GNU gzip
	piece  int  // pigz
}

// Models returns the models of zlib, GNU gzip and pigz, the likeliest first.
func Models() []coding.Model {
	var all []coding.Model
	for _, n := range []int{6, 9, 1, 5, 4, 7, 8, 3, 2} {
		all = append(all, Zlib(n), Gzip(n), Pigz(n), Large(n))
	}
	return all
}

// Zlib is the library at a level of 1 to 9, with its usual memory. Most programs that compress use it so.
func Zlib(level int) coding.Model {
	return model{name: "zlib -" + strconv.Itoa(level), level: level, memory: 8}
}

// Large is the library at a level of 1 to 9, with its largest memory, as Perl uses it.
func Large(level int) coding.Model {
	return model{name: "zlib -" + strconv.Itoa(level) + " memLevel 9", level: level, memory: 9}
}

// Gzip is GNU gzip at a level of 1 to 9.
func Gzip(level int) coding.Model {
	return model{name: "gzip -" + strconv.Itoa(level), level: level, memory: 8, gnu: true}
}

// Pigz is pigz at a level of 1 to 9, on several processors. From level 4 on, one processor does the same.
func Pigz(level int) coding.Model {
	return model{name: "pigz -" + strconv.Itoa(level), level: level, memory: 8, piece: 128 << 10}
}

// Name implements coding.Model.
func (m model) Name() string { return m.name }

// Predictor implements coding.Model.
func (m model) Predictor() coding.Predictor {
	bits := m.memory + 7
	return &predictor{
		level: levels[m.level], gnu: m.gnu,
		shift: uint(bits+coding.MinMatch-1) / coding.MinMatch, mask: 1<<bits - 1,
		buckets: new([1 << maxBits]bucket), before: new([windowSize]uint16),
		likely: new([1 << likelyBits]uint32), chain: new([windowSize]uint32),
	}
}
