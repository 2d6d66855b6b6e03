// Package natural orders texts as people order versions.
package natural

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// Sort orders runs of digits by their value, so that 1.9 comes before 1.10, and everything else byte by byte.
// Texts that differ only in leading zeros are ordered too, so that the order is total.
func Sort(texts []string) {
	length := 0
	for _, t := range texts {
		length += len(t)
	}
	keys, ends := make([]byte, 0, 3*length), make([]int, len(texts)+1) // mostly enough
	order, sorted := make([]int, len(texts)), make([]string, len(texts))
	for i, t := range texts {
		keys = appendKey(keys, t)
		order[i], ends[i+1] = i, len(keys)
	}
	slices.SortFunc(order, func(a, b int) int {
		if c := bytes.Compare(keys[ends[a]:ends[a+1]], keys[ends[b]:ends[b+1]]); c != 0 {
			return c
		}
		return strings.Compare(texts[a], texts[b])
	})
	for i, at := range order {
		sorted[i] = texts[at]
	}
	copy(texts, sorted)
}

// Compare orders two texts as Sort does.
func Compare(a, b string) int {
	var keyA, keyB [256]byte // mostly enough, and not on the heap
	if c := bytes.Compare(appendKey(keyA[:0], a), appendKey(keyB[:0], b)); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

// appendKey appends s with the length of each number before it: numbers may be long.
func appendKey(k []byte, s string) []byte {
	for s != "" {
		end := 0
		for end < len(s) && s[end] >= '0' && s[end] <= '9' {
			end++
		}
		if end == 0 {
			k, s = append(k, s[0]), s[1:]
			continue
		}
		number := strings.TrimLeft(s[:end], "0")
		s = s[end:]
		k = append(k, '0') // a number is where digits are among other characters
		k = append(binary.BigEndian.AppendUint32(k, uint32(len(number))), number...)
	}
	return k
}
