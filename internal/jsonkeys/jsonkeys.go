// Package jsonkeys finds what json.Unmarshal lets pass. A key may stand twice in one object: some parsers
// take the first value and some the last, so the document has no one meaning. Unique finds such keys in a
// document that json.Unmarshal has accepted. And a small document may take very much memory: Bounded refuses
// it before it is parsed.
package jsonkeys

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// fielded has the keys, folded, of objects with fields in descriptions of images. The objects under all other
// keys map names to values.
var fielded = map[string]bool{
	"CONFIG": true, "CONTAINER_CONFIG": true, "HEALTHCHECK": true, "ROOTFS": true, "HISTORY": true,
	"MANIFESTS": true, "LAYERS": true, "SUBJECT": true, "PLATFORM": true, "FSLAYERS": true,
}

// sources is the key, folded, of a map from names to objects with fields.
const sources = "LAYERSOURCES"

// Unique returns an error that names a key which stands twice in one object of raw, at any depth. Keys of
// fields that differ only in case are one key: encoding/json takes either for the same field. Labels,
// annotations and the like are names, and so are the keys of unknown objects: their case counts. The document
// must be valid JSON.
func Unique(raw []byte) error { return unique(raw, false) }

// UniqueNames is Unique for a document whose objects all map names to values.
func UniqueNames(raw []byte) error { return unique(raw, true) }

func unique(raw []byte, names bool) error {
	s := scanner{raw: raw, names: names, seed: maphash.MakeSeed(), twice: -1}
	s.scan()
	if s.twice < 0 {
		return nil
	}
	return fmt.Errorf("%q stands twice in one object", s.name(s.twice))
}

// scanner goes over a document once.
type scanner struct {
	raw   []byte
	names bool // there are no fields
	seed  maphash.Seed
	open  []level
	keys  []key  // of all open objects, the outermost first
	plain []byte // scratch
	twice int    // where the first key is that repeats another one; negative: nowhere
}

// level is an object or list that has been opened.
type level struct {
	object bool
	names  bool // the keys are names, not fields
	values bool // of names: what they map to has fields
	key    bool // a key comes next
	first  int  // the index of its first key
}

// key takes little room: a hostile document has very many. Two keys with equal hashes are equal, as nobody
// knows the seed.
type key struct {
	hash uint64
	at   int // of its opening quote
}

func (s *scanner) scan() {
	for i := 0; i < len(s.raw); i++ {
		switch s.raw[i] {
		case '{', '[':
			s.begin(s.raw[i] == '{')
		case '}', ']':
			s.end()
		case ',':
			if n := len(s.open); n > 0 {
				s.open[n-1].key = s.open[n-1].object
			}
		case '"':
			if n := len(s.open); n > 0 && s.open[n-1].key {
				s.open[n-1].key = false
				s.keys = append(s.keys, key{at: i, hash: s.hash(i, s.open[n-1].names)})
			}
			i += s.length(i) - 1
		}
	}
}

func (s *scanner) begin(object bool) {
	l := level{object: object, key: object, names: s.names, first: len(s.keys)}
	if n := len(s.open); n > 0 && !s.names {
		switch up := s.open[n-1]; {
		case !up.object:
			l.names, l.values = up.names, up.values
		case up.names:
			l.names = !up.values
		case len(s.keys) > up.first:
			key := s.folded(s.keys[len(s.keys)-1].at, false)
			l.names, l.values = !fielded[key], key == sources
		}
	}
	s.open = append(s.open, l)
}

// end looks for keys that are equal.
func (s *scanner) end() {
	n := len(s.open)
	if n == 0 {
		return
	}
	own := s.keys[s.open[n-1].first:]
	s.keys, s.open = s.keys[:s.open[n-1].first], s.open[:n-1]
	slices.SortFunc(own, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.at, b.at))
	})
	for i := 1; i < len(own); i++ {
		if own[i].hash == own[i-1].hash && (s.twice < 0 || own[i].at < s.twice) {
			s.twice = own[i].at
		}
	}
}

// length is the length of the string whose opening quote is at i, with its quotes.
func (s *scanner) length(i int) int {
	for j := i + 1; j < len(s.raw); j++ {
		switch s.raw[j] {
		case '\\':
			j++
		case '"':
			return j + 1 - i
		}
	}
	return len(s.raw) - i
}

// hash returns equal numbers for equal keys.
func (s *scanner) hash(i int, exact bool) uint64 {
	s.plain = s.plain[:0]
	for _, b := range s.raw[i+1 : i+s.length(i)] {
		switch {
		case b == '"':
			return maphash.Bytes(s.seed, s.plain)
		case b == '\\' || b >= utf8.RuneSelf:
			return maphash.String(s.seed, s.folded(i, exact))
		case !exact && 'a' <= b && b <= 'z':
			b -= 'a' - 'A'
		}
		s.plain = append(s.plain, b)
	}
	return 0 // not valid
}

// name is the key at i, decoded.
func (s *scanner) name(i int) (name string) {
	_ = json.Unmarshal(s.raw[i:i+s.length(i)], &name) // it is valid
	return name
}

// folded is the key at i. Unless the key has to be exact, all spellings that encoding/json takes for the same
// field give the same.
func (s *scanner) folded(i int, exact bool) string {
	if exact {
		return s.name(i)
	}
	return strings.Map(leastCase, s.name(i))
}

// leastCase is the first of all characters that differ from r only in case.
func leastCase(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	return least
}
