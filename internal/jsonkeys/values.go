package jsonkeys

import "fmt"

// MaxValues bounds a document that describes images: json.Unmarshal makes a hundred bytes of two. Real
// documents of 4 MiB have half as many values.
const MaxValues = 1 << 18

// Bounded returns an error if raw has more than MaxValues values. It is for documents that have not been
// parsed yet.
func Bounded(raw []byte) error {
	if n := Values(raw); n > MaxValues {
		return fmt.Errorf("it has %d values, more than the %d that are accepted", n, MaxValues)
	}
	return nil
}

// Values is at least the number of values in raw, those in lists and objects included, and at most twice as
// many. For raw that is not valid JSON it means nothing.
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
