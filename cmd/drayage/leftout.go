package main

import (
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/layout"
)

// leftOut counts what belongs to the images of a save command and does not go into its tar.
type leftOut struct {
	attestations, referrers int
	seen                    map[digest.Digest]bool
}

// inLayout counts what a layout has that belongs to an image, or to what was chosen of it, and to that in turn.
func (l *leftOut) inLayout(s *saver, dir *layout.Layout, im layout.Image, g *image.Graph) error {
	if s.c.Bool("referrers") {
		return nil
	}
	belonging, err := s.subjects(dir)
	if err != nil {
		return err
	}
	next := []digest.Digest{im.Descriptor.Digest}
	for _, n := range g.Manifests {
		next = append(next, n.Descriptor.Digest)
	}
	if l.seen == nil {
		l.seen = map[digest.Digest]bool{}
	}
	for ; len(next) > 0; next = next[1:] {
		for _, r := range belonging[next[0]] {
			if d := r.Descriptor.Digest; !l.seen[d] {
				l.seen[d] = true
				l.referrers++
				next = append(next, d)
			}
		}
	}
	return nil
}

// note says once what stays behind and what takes it along.
func (l *leftOut) note(s *saver) {
	var what, how []string
	if !s.oci {
		how = append(how, "--format oci")
	}
	if l.attestations > 0 {
		what, how = append(what, count(l.attestations, "attestation")), append(how, "--platform all")
	}
	if l.referrers > 0 {
		what, how = append(what, count(l.referrers, "referrer")), append(how, "--referrers")
	}
	if len(what) > 0 {
		s.env.note(s.c, "note: %s (provenance, SBOMs, signatures) left out: %s takes them along", strings.Join(what, " and "), strings.Join(how, " "))
	}
}
