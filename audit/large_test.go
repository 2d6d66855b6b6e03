package audit_test

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Wild case 4, continued: a layer with a zstd window of 256 MiB is right, but not for this machine. It is
// compared with its digest. Only a wrong byte is a fault.
func TestWild04LayersThatTakeTooMuchMemory(t *testing.T) {
	large := []byte("\x28\xb5\x2f\xfd\x00\x90\x01\x00\x00") // a frame of nothing
	for name, spoil := range map[string]bool{"right": false, "wrong": true} {
		s := newStore(t)
		layer := s.put(v1.MediaTypeImageLayerZstd, large)
		c := v1.Image{Platform: v1.Platform{OS: "linux", Architecture: "amd64"}}
		c.RootFS = v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString("")}}
		doc := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Layers: []v1.Descriptor{layer}}
		doc.SchemaVersion, doc.Config = 2, s.putJSON(v1.MediaTypeImageConfig, c)
		root := s.putJSON(v1.MediaTypeImageManifest, doc)
		if spoil {
			s.files[path(layer)].Data = append(large[:len(large)-1:len(large)-1], 1)
		}
		got := s.check(root).Results[0]
		if bad := len(got.Faults) > 0; bad != spoil {
			t.Errorf("%s: faults %v", name, got.Faults)
		}
		if told := strings.Contains(strings.Join(got.Sealed, "\n"), "256 MiB"); told == spoil {
			t.Errorf("%s: sealed %q", name, got.Sealed)
		}
	}
}
