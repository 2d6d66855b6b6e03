// Package natural orders texts as people order versions.
package natural

import (
	"encoding/binary"
	"slices"
	"strings"
)

// Sort orders runs of digits by their value, so that 1.9 comes before 1.10, and everything else byte by byte.
// Texts that differ only in leading zeros are ordered too, so that the order is total.
func Sort(texts []string) {
	type keyed struct{ key, text string }
	all := make([]keyed, len(texts))
	for i, t := range texts {
		all[i] = keyed{key(t), t}
	}
	slices.SortFunc(all, func(a, b keyed) int {
		if c := strings.Compare(a.key, b.key); c != 0 {
			return c
		}
		return strings.Compare(a.text, b.text)
	})
	for i, k := range all {
		texts[i] = k.text
	}
}

// key is s with the length of each number before it. Numbers may have any length, such as dates and builds.
func key(s string) string {
	k := make([]byte, 0, len(s)+16)
	for s != "" {
		if s[0] < '0' || s[0] > '9' {
			k, s = append(k, s[0]), s[1:]
			continue
		}
		number := s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
		s = s[len(number):]
		number = strings.TrimLeft(number, "0")
		k = append(k, '0') // a number is where digits are among other characters
		k = append(binary.BigEndian.AppendUint32(k, uint32(len(number))), number...)
	}
	return string(k)
}
