package tally

import (
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Held returns how many bytes of some blobs are at their destination, each blob counted once. Those in
// counted do not count, and are entered there.
func (t *Tally) Held(blobs []v1.Descriptor, counted map[digest.Digest]bool) (sum int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range blobs {
		if b := t.blobs[d.Digest]; b != nil && b.planned && !counted[d.Digest] {
			counted[d.Digest] = true
			sum += b.held
		}
	}
	return sum
}
