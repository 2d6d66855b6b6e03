package layout

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
)

// marked are digests with marks. A Dir keeps very many of them for as long as it lives, so the usual ones are
// held as the bytes that they stand for, and no text with them. It may be used concurrently.
type marked struct {
	mu     sync.Mutex
	sums   map[[sha256.Size]byte]mark
	others map[digest.Digest]mark // of other algorithms
}

// mark says what is known of a blob.
type mark uint8

const (
	counted mark = 1 << iota // [Dir.Claim] has claimed it
	right                    // this Dir has stored it, or has found it right
)

// has reports whether a digest has a mark.
func (m *marked) has(d digest.Digest, one mark) bool {
	sum, ok := sumOf(d)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !ok {
		return m.others[d]&one != 0
	}
	return m.sums[sum]&one != 0
}

// add gives a digest a mark.
func (m *marked) add(d digest.Digest, one mark) {
	sum, ok := sumOf(d)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sums == nil {
		m.sums, m.others = map[[sha256.Size]byte]mark{}, map[digest.Digest]mark{}
	}
	if ok {
		m.sums[sum] |= one
	} else {
		m.others[d] |= one
	}
}

// drop takes a mark from all digests.
func (m *marked) drop(one mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for sum := range m.sums {
		m.sums[sum] &^= one
	}
	for d := range m.others {
		m.others[d] &^= one
	}
}

// sumOf returns the bytes of a digest of sha256 as it is usually written.
func sumOf(d digest.Digest) (sum [sha256.Size]byte, ok bool) {
	const prefix = string(digest.SHA256) + ":"
	if len(d) != len(prefix)+2*len(sum) || string(d[:len(prefix)]) != prefix {
		return sum, false
	}
	text := string(d[len(prefix):])
	_, err := hex.Decode(sum[:], []byte(text))
	return sum, err == nil && !strings.ContainsAny(text, "ABCDEF") // which would be another text
}
