package fetch

import (
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/layout"
)

// roomFor returns an error if a layout has no room for all images together, or if its index would grow too
// large. Each turn asks for its own part again.
func roomFor(results []Result, dst *layout.Dir) error {
	if err := dst.Room(blobsOf(results)); err != nil {
		return err
	}
	var entries []layout.Entry
	for i := range results {
		if r := &results[i]; r.Err == nil {
			entries = append(entries, r.entries()...)
		}
	}
	return dst.Fits(entries)
}

// blobsOf lists what images consist of, each blob once.
func blobsOf(results []Result) (blobs []v1.Descriptor) {
	seen, most := map[wanted]bool{}, 0
	for _, r := range results {
		if r.Image != nil {
			most += len(r.Image.Blobs)
		}
	}
	blobs = make([]v1.Descriptor, 0, most) // there may be very many, and it grows by copies
	for _, r := range results {
		if r.Err != nil {
			continue
		}
		for _, part := range r.Image.withReferrers() {
			for _, d := range part.Blobs {
				if w := (wanted{d.Digest, d.Size}); !seen[w] {
					seen[w] = true
					blobs = append(blobs, d)
				}
			}
		}
	}
	return blobs
}
