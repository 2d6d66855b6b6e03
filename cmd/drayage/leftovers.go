package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/upload"
)

// leftovers are what belongs to images and does not travel with them.
type leftovers struct {
	attestations digests
	others       digests // artifacts in indexes
	referrers    digests
	ofIndexes    digests // referrers of indexes that do not travel either
}

type digests map[digest.Digest]bool

func (s *digests) add(all []digest.Digest) {
	if *s == nil {
		*s = digests{}
	}
	for _, d := range all {
		(*s)[d] = true
	}
}

// add counts what stays behind of an image in a layout or an archive.
func (l *leftovers) add(ctx context.Context, im *source.Image, loaded *image.Image) error {
	referrers, ofIndex, err := im.Left(ctx, loaded)
	l.enter(loaded, referrers, ofIndex)
	return err
}

func (l *leftovers) enter(taken *image.Image, referrers, ofIndex []digest.Digest) {
	l.attestations.add(taken.Attestations)
	l.others.add(taken.Others)
	l.referrers.add(referrers)
	l.ofIndexes.add(ofIndex)
	for _, r := range taken.Referrers {
		delete(l.attestations, r.Root.Digest) // with a subject they travel
		delete(l.ofIndexes, r.Root.Digest)
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
	if len(l.attestations) > 0 {
		parts = append(parts, terminal.Count(len(l.attestations), "attestation"))
	}
	if len(l.others) > 0 {
		parts = append(parts, terminal.Count(len(l.others), "artifact"))
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
	if len(l.attestations)+len(l.others) > 0 || len(l.ofIndexes) > 0 {
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
		text := terminal.Sprintf("%s: %s takes them", how, strings.Join(options, " "))
		c.note("note: %s (provenance, SBOMs, signatures) %s along", what, ofOne(what, text))
	}
}

// ofOne is a text about several things, or in the singular if what counts one.
func ofOne(what, text string) string {
	if strings.HasPrefix(what, "1 ") && !strings.Contains(what, " and ") {
		return strings.NewReplacer("stay ", "stays ", "them", "it").Replace(text)
	}
	return text
}

// noteBehind says what stays behind.
func (p *pusher) noteBehind() {
	if len(p.strays) > 0 {
		p.note("note: %s: no name, and no image that it belongs to: stays behind, give it a DEST of its own",
			source.List(p.strays))
	}
	p.noteLeft(&p.left, "stay behind")
}

// referrers pushes the referrers of the images that have been pushed, and says how many stay behind.
func (p *pusher) referrers(ctx context.Context, pushed []upload.Result) error {
	p.noteBehind()
	if !p.Bool("referrers") {
		return nil
	}
	var n int
	var err error
	if p.turns != nil {
		n, err = p.turns.referred, p.turns.err
	} else {
		n, err = p.pushReferrers(ctx, pushed)
	}
	if err == nil && n > 0 {
		p.note("with %s (signatures, attestations, SBOMs)", terminal.Count(n, "referrer"))
	}
	return err
}

// pushReferrers pushes the referrers of images that have been pushed, and counts them.
func (p *pusher) pushReferrers(ctx context.Context, pushed []upload.Result) (n int, _ error) {
	for _, part := range upload.Referrers(pushed) {
		results, err := upload.Push(ctx, part, p.opts)
		if err != nil {
			return n, fmt.Errorf("push: %w", err)
		}
		for _, r := range results {
			if r.Err != nil {
				return n, fmt.Errorf("push referrer %s to %s: %w",
					r.Target.Image.Root.Digest, r.Target.Repository.Name(), r.Err)
			}
		}
		n += len(results)
	}
	return n, nil
}
