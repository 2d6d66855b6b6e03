package forecast

import (
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// Labels of rows that are about no platform.
const (
	attestation = "attestation"
	referrers   = "referrers"
	other       = "-"
)

// Parts divides an image into its platforms and the rest. moves has its blobs and those of its referrers.
func Parts(im *image.Image, moves []image.Move) (parts []Part) {
	d := divider{moves: map[digest.Digest]image.Move{}}
	for _, m := range moves {
		d.moves[m.Blob.Digest] = m
	}
	labels := labelsOf(im)
	for i := range im.Manifests {
		if n := &im.Manifests[i]; !image.IsIndex(n.Document.MediaType) {
			d.part(labels[n.Descriptor.Digest], n.Document.Children(), &parts)
		}
	}
	rest := other
	if len(im.Manifests) == 0 { // in schema 1
		rest = platformOf(im)
	}
	d.part(rest, im.Blobs, &parts)
	var belonging []v1.Descriptor
	for _, r := range im.Referrers {
		belonging = append(belonging, r.Blobs...)
	}
	d.part(referrers, belonging, &parts)
	return parts
}

// divider takes moves for parts.
type divider struct {
	moves map[digest.Digest]image.Move
	taken map[digest.Digest]bool
}

// part appends a part of these blobs. There is none without blobs, except of a platform.
func (d *divider) part(label string, blobs []v1.Descriptor, to *[]Part) {
	p := Part{Label: label}
	within := map[digest.Digest]bool{}
	for _, b := range blobs {
		m, ok := d.moves[b.Digest]
		again := (label == other || label == referrers) && d.taken[b.Digest]
		if !ok || within[b.Digest] || again {
			continue
		}
		within[b.Digest] = true
		p.Moves = append(p.Moves, m)
	}
	if d.taken == nil {
		d.taken = within
	}
	for b := range within {
		d.taken[b] = true
	}
	if len(p.Moves) > 0 {
		*to = append(*to, p)
	}
}

// labelsOf says of each manifest what it is for.
func labelsOf(im *image.Image) map[digest.Digest]string {
	labels := map[digest.Digest]string{}
	for i := range im.Manifests {
		n := &im.Manifests[i]
		labels[n.Descriptor.Digest] = other
		for _, c := range n.Document.Manifests {
			leaf := image.NewLeaf(c)
			switch {
			case leaf.IsAttestation():
				labels[c.Digest] = attestation
			case leaf.Platform.OS != "":
				labels[c.Digest] = image.FormatPlatform(leaf.Platform)
			}
		}
	}
	if len(im.Manifests) == 1 {
		labels[im.Manifests[0].Descriptor.Digest] = platformOf(im)
	}
	return labels
}

func platformOf(im *image.Image) string {
	if len(im.Platforms) > 0 && im.Platforms[0].OS != "" {
		return image.FormatPlatform(im.Platforms[0])
	}
	return other
}
