package main

import (
	"context"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/source"
	"drayage/internal/terminal"
)

// leftovers are what belongs to images and does not travel with them.
type leftovers struct {
	attestations int
	others       int                    // artifacts in indexes
	indexes      map[digest.Digest]bool // whose attestations and artifacts have been counted
	referrers    map[digest.Digest]bool
	ofIndexes    map[digest.Digest]bool // referrers of indexes that do not travel either
}

// add counts what stays behind of an image in a layout or an archive.
func (l *leftovers) add(ctx context.Context, im *source.Image, loaded *image.Image) error {
	referrers, ofIndex, err := im.Left(ctx, loaded)
	l.enter(im.Digest(), loaded.Graph, referrers, ofIndex)
	return err
}

// enter counts what stays behind of an image that goes by a name of root.
func (l *leftovers) enter(root digest.Digest, taken *image.Graph, referrers, ofIndex []digest.Digest) {
	if l.referrers == nil {
		l.referrers, l.ofIndexes = map[digest.Digest]bool{}, map[digest.Digest]bool{}
		l.indexes = map[digest.Digest]bool{}
	}
	if !l.indexes[root] {
		l.indexes[root] = true
		l.attestations += taken.Attestations
		l.others += taken.Others
	}
	for _, d := range referrers {
		l.referrers[d] = true
	}
	for _, d := range ofIndex {
		l.ofIndexes[d] = true
	}
}

// travel takes what travels as an image of its own off the list.
func (l *leftovers) travel(d digest.Digest) {
	delete(l.referrers, d)
	delete(l.ofIndexes, d)
}

// what is it all in words, and how are the options that take it along, after others that are needed. asked
// says that --referrers has been given.
func (l *leftovers) what(asked bool, others ...string) (what string, how []string) {
	var parts []string
	if l.attestations > 0 {
		parts = append(parts, terminal.Count(l.attestations, "attestation"))
	}
	if l.others > 0 {
		parts = append(parts, terminal.Count(l.others, "artifact"))
	}
	referrers := len(l.ofIndexes)
	for d := range l.referrers {
		if !l.ofIndexes[d] {
			referrers++
		}
	}
	if referrers > 0 {
		parts = append(parts, terminal.Count(referrers, "referrer"))
	}
	how = others
	if l.attestations+l.others > 0 || len(l.ofIndexes) > 0 {
		how = append(how, "--platform all")
	}
	if referrers > 0 && !asked {
		how = append(how, "--referrers")
	}
	return strings.Join(parts, " and "), how
}

// noteLeft says once what stays behind and what takes it along.
func (c call) noteLeft(l *leftovers, how string, others ...string) {
	if what, options := l.what(c.Bool("referrers"), others...); what != "" {
		c.note("note: %s (provenance, SBOMs, signatures) %s: %s takes them along",
			what, how, strings.Join(options, " "))
	}
}
