package record

import (
	"github.com/opencontainers/go-digest"

	"drayage/internal/verify"
)

// byKey finds the layers of a document.
func (doc *Document) byKey() map[digest.Digest]*Layer {
	all := make(map[digest.Digest]*Layer, len(doc.Layers))
	for i := range doc.Layers {
		all[doc.Layers[i].Key()] = &doc.Layers[i]
	}
	return all
}

// addsUp reports whether the sums are those of the layers.
func (doc *Document) addsUp() bool {
	counted := map[digest.Digest]int{}
	for i := range doc.Images {
		for key := range doc.Images[i].layers() {
			counted[key]++
		}
	}
	for i := range doc.Layers {
		if l := &doc.Layers[i]; counted[l.Key()] != l.Images {
			return false
		}
	}
	layers := doc.byKey()
	for i := range doc.Images {
		im := doc.Images[i]
		im.sum(layers)
		if other := doc.Images[i]; im.LayerBytes != other.LayerBytes || im.New != other.New ||
			im.Shared != other.Shared || im.Absent != other.Absent {
			return false
		}
	}
	return len(layers) == len(doc.Layers) && doc.total() == doc.Total
}

// layers are those of an image, each once.
func (im *Image) layers() map[digest.Digest]bool {
	all := map[digest.Digest]bool{}
	for _, p := range im.Platforms {
		for _, key := range p.Layers {
			all[key] = true
		}
	}
	return all
}

// sum adds up the layers: of each image, and of all together.
func (doc *Document) sum() {
	layers := doc.byKey()
	for i := range doc.Images {
		doc.Images[i].sum(layers)
	}
	doc.Total = doc.total()
}

func (doc *Document) total() Total {
	sum := Total{Images: len(doc.Images), Layers: len(doc.Layers)}
	for i := range doc.Layers {
		l := &doc.Layers[i]
		sum.LayerBytes = verify.AddSize(sum.LayerBytes, l.Size)
		if l.Absent != "" {
			sum.AbsentBytes = verify.AddSize(sum.AbsentBytes, l.Size)
		}
	}
	return sum
}

func (im *Image) sum(layers map[digest.Digest]*Layer) {
	im.LayerBytes, im.New, im.Shared, im.Absent = 0, 0, 0, 0
	for key := range im.layers() {
		l := layers[key]
		if l == nil {
			continue
		}
		im.LayerBytes = verify.AddSize(im.LayerBytes, l.Size)
		part := &im.New
		switch l.state() {
		case stateShared:
			part = &im.Shared
		case stateAbsent:
			part = &im.Absent
		}
		*part = verify.AddSize(*part, l.Size)
	}
}

// The states of a layer, as the picture shows them.
const (
	stateNew    = "new"
	stateShared = "shared"
	stateAbsent = "absent"
)

func (l *Layer) state() string {
	switch {
	case l.Absent != "":
		return stateAbsent
	case l.Images > 1:
		return stateShared
	}
	return stateNew
}
