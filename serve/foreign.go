package serve

import (
	"bytes"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// maxForeign bounds how many foreign layers are remembered.
const maxForeign = 4096

// foreign remembers the foreign layers of the manifests that were sent. Who asks for one that is not here
// reads why.
type foreign struct {
	mu  sync.Mutex
	all map[digest.Digest]v1.Descriptor
}

// note takes the foreign layers of a manifest.
func (f *foreign) note(raw []byte) {
	if !bytes.Contains(raw, []byte("foreign")) && !bytes.Contains(raw, []byte("nondistributable")) {
		return
	}
	m, err := image.ParseManifest("", raw)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range m.Layers {
		if image.IsForeign(l.MediaType) && len(f.all) < maxForeign {
			if f.all == nil {
				f.all = map[digest.Digest]v1.Descriptor{}
			}
			f.all[l.Digest] = v1.Descriptor{MediaType: l.MediaType, Digest: l.Digest, Size: l.Size, URLs: l.URLs}
		}
	}
}

// absent returns the absence of a blob, if that is a foreign layer.
func (f *foreign) absent(d digest.Digest) (image.Absent, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, is := f.all[d]
	return image.Absent{Part: image.PartLayer, Descriptor: l, Reason: image.ForeignLayer}, is
}
