// Package jsonkeys finds what json.Unmarshal does not report. A key may stand twice in one object: one parser
// takes the first value and another the last, so the document has no single meaning. Use [Unique] on a
// document that json.Unmarshal has accepted. A small document may take very much memory: use [Bounded] before
// json.Unmarshal.
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

	"drayage/internal/limits"
)

// fielded are the keys, folded, under which descriptions of images have objects with fields. The objects
// under all other keys map names to values.
var fielded = map[string]bool{
	"CONFIG": true, "CONTAINER_CONFIG": true, "HEALTHCHECK": true, "ROOTFS": true, "HISTORY": true,
	"MANIFESTS": true, "LAYERS": true, "SUBJECT": true, "PLATFORM": true, "FSLAYERS": true,
	"ABSENT": true, "REBUILT": true, "BASES": true,
}

// sources is the key, folded, of a map from names to objects with fields.
const sources = "LAYERSOURCES"

// Unique returns an error that names a key which stands twice in an object of raw, at any depth. Keys of
// fields that differ only in case are one key, because encoding/json takes either for the same field. Keys of
// labels, annotations and unknown objects are names: their case counts. raw must be valid JSON; otherwise the
// answer means nothing.
func Unique(raw []byte) error { return unique(raw, scanner{}) }

// UniqueNames is Unique for a document whose objects all map names to values.
func UniqueNames(raw []byte) error { return unique(raw, scanner{names: true}) }

// UniqueFields is Unique for a document whose objects all have fields.
func UniqueFields(raw []byte) error { return unique(raw, scanner{fields: true}) }

// read are the keys, folded, of what moving an image needs of manifests and of Docker's first format.
var read = map[string]bool{
	"MEDIATYPE": true, "CONFIG": true, "LAYERS": true, "MANIFESTS": true, "BLOBS": true, "FSLAYERS": true,
	"SUBJECT": true, "DIGEST": true, "SIZE": true, "PLATFORM": true, "OS": true, "ARCHITECTURE": true,
	"VARIANT": true, "OS.VERSION": true, "HISTORY": true, "BLOBSUM": true, "V1COMPATIBILITY": true,
	"ID": true, "PARENT": true,
}

// UniqueRead is Unique for the keys of a manifest or index, or of the description of a layer, that say what
// it consists of. All others, such as annotations, may stand twice.
func UniqueRead(raw []byte) error { return unique(raw, scanner{only: read}) }

func unique(raw []byte, s scanner) error {
	s.raw, s.seed, s.twice = raw, maphash.MakeSeed(), -1
	s.scan()
	if s.twice < 0 {
		return nil
	}
	return fmt.Errorf("%q stands twice in one object", s.name(s.twice))
}

// scanner goes over a document once.
type scanner struct {
	raw    []byte
	names  bool            // there are no fields
	fields bool            // there are only fields
	only   map[string]bool // fields, folded, that matter; nil: all keys do
	seed   maphash.Seed
	open   []level
	keys   []key  // of all open objects, the outermost first
	plain  []byte // scratch
	twice  int    // where the first repeated key is; negative: nowhere
}

// level is an object or list that has been opened.
type level struct {
	object bool
	names  bool // the keys are names, not fields
	values bool // of names: what they map to has fields
	key    bool // a key comes next
	first  int  // the index of its first key
}

// key takes little room, because a hostile document has very many. Keys with equal hashes count as equal:
// nobody can forge a hash without the seed.
type key struct {
	hash uint64 // 0: it may stand twice
	at   int    // of its opening quote
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
	if n := len(s.open); n > 0 && !s.names && !s.fields {
		switch up := s.open[n-1]; {
		case !up.object:
			l.names, l.values = up.names, up.values
		case up.names:
			l.names = !up.values
		case len(s.keys) > up.first:
			key := s.folded(s.keys[len(s.keys)-1].at)
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
		if own[i].hash != 0 && own[i].hash == own[i-1].hash && (s.twice < 0 || own[i].at < s.twice) {
			s.twice = own[i].at
		}
	}
}

// length is the length of the string whose opening quote is at i, quotes included.
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

// hash is the same for keys that count as one.
func (s *scanner) hash(i int, exact bool) uint64 {
	if s.only != nil && exact {
		return 0
	}
	s.plain = s.plain[:0]
	for _, b := range s.raw[i+1 : i+s.length(i)] {
		switch {
		case b == '"' && s.only != nil && !s.only[string(s.plain)]:
			return 0
		case b == '"':
			return maphash.Bytes(s.seed, s.plain)
		case b != '\\' && b < utf8.RuneSelf:
			if !exact && 'a' <= b && b <= 'z' {
				b -= 'a' - 'A'
			}
			s.plain = append(s.plain, b)
		case exact:
			return maphash.String(s.seed, s.name(i))
		default:
			return s.hashFolded(i)
		}
	}
	return 0 // not valid
}

func (s *scanner) hashFolded(i int) uint64 {
	key := s.folded(i)
	if s.only != nil && !s.only[key] {
		return 0
	}
	return maphash.String(s.seed, key)
}

// name is the key at i, decoded.
func (s *scanner) name(i int) (name string) {
	_ = json.Unmarshal(s.raw[i:i+s.length(i)], &name) // it is valid
	return name
}

// folded is the key at i in a form that is the same for all that encoding/json takes for one field.
func (s *scanner) folded(i int) string { return strings.Map(leastCase, s.name(i)) }

// leastCase is the first of all characters that differ from r only in case.
func leastCase(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	return least
}

// Bounded returns an error if raw has too many values: json.Unmarshal may take a hundred bytes of memory for
// two bytes of text. Real documents of 4 MiB have half as many as are accepted. raw need not be valid JSON.
func Bounded(raw []byte) error {
	if n := Values(raw); n > limits.Values {
		return fmt.Errorf("it has %d values, more than the %d that are accepted", n, limits.Values)
	}
	return nil
}

// Values is at least the number of values in raw, with those in lists and objects, and at most twice as many.
// If raw is not valid JSON, it is some number.
func Values(raw []byte) int {
	s := scanner{raw: raw}
	n := 1
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '{', '[', ',':
			n++
		case '"':
			i += s.length(i) - 1
		}
	}
	return n
}
