package mirrorconf

import (
	"encoding/pem"

	"github.com/opencontainers/go-digest"

	"drayage/internal/certfile"
	"drayage/internal/source"
	"drayage/internal/usage"
	"drayage/registry"
)

// Gathering collects images and finds their places in the mirror.
type Gathering struct {
	Place  func(name string) (registry.Reference, error)
	Images []Image
}

// Add takes a name. The digest may be empty.
func (g *Gathering) Add(from registry.Reference, d digest.Digest) error {
	to, err := g.Place(from.Recorded())
	g.Images = append(g.Images, Image{From: from, To: to, Digest: d})
	return err
}

// AddRegistry takes all names of a registry.
func (g *Gathering) AddRegistry(host string) error {
	err := g.Add(registry.Reference{Registry: host, Repository: "some/image", Tag: "any"}, "")
	g.Images[len(g.Images)-1].Any = true
	return err
}

// AddSet takes the names of the images in a SOURCE.
func (g *Gathering) AddSet(set *source.Set) error {
	before := len(g.Images)
	for _, im := range set.Images {
		for _, name := range im.Names {
			ref, err := registry.ParseReference(name)
			if err == nil {
				err = g.Add(ref, im.Digest())
			}
			if err != nil {
				return err
			}
		}
	}
	if len(g.Images) == before {
		return usage.Errorf("none of the images has a name")
	}
	return nil
}

// Trust has engines check the certificate of the mirror with those in the content of a file.
func (m *Mirror) Trust(raw []byte) error {
	cas, err := certfile.CAs(raw)
	for _, ca := range cas {
		m.CA += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}))
	}
	return err
}
