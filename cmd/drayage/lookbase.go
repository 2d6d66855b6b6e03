package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/audit"
	"drayage/image"
	"drayage/internal/kind"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/internal/want"
	"drayage/registry"
)

// useBases finds out what is to be checked, and reads what was left out of it in what --base names.
func (v *verifier) useBases(ctx context.Context) (closes func(), err error) {
	var src image.Source // of all images in the layout of the set
	for _, im := range v.set.Images {
		t, err := target(ctx, im)
		if err != nil {
			return func() {}, err
		}
		v.targets = append(v.targets, t)
		switch {
		case t.Saved == nil:
			src = t.Source
		case v.IsSet("base") || v.IsSet("want-out"): // a base has blobs, and what a docker tar lacks is none
			if err := t.Saved.Lacks(); err != nil {
				return func() {}, err
			}
		}
	}
	found, closes, err := v.inBases(ctx, v.set, src, untrusted(v.sourceOptions()))
	if err != nil {
		return closes, err
	}
	v.missing = found.Missing
	for i := range v.targets {
		if t := &v.targets[i]; t.Saved == nil {
			t.Source, t.Absent, t.Content = found.Source, found.Still(t.Absent), found.Content
		}
	}
	return closes, nil
}

// conclude reports what was found. What is in no base is an error, if nothing is worse.
func (v *verifier) conclude(r *audit.Report) error {
	if err := v.report(r); err != nil || !v.IsSet("base") || len(v.missing.Blobs) == 0 {
		return errors.Join(err, v.writeWant(v.missing))
	}
	return v.lackingError(v.missing, "verify %s: %s left out and not found in a base", v.set.Spec.Text,
		v.missing.Were())
}

// lookInBases takes what --base names for a part of the archive. It lists what is still missing.
func (l *looker) lookInBases(ctx context.Context) (*want.List, error) {
	if l.set.Spec.Kind == source.Registry {
		return &want.List{}, nil
	}
	opts := untrusted(l.sourceOptions())
	opts.Look = true
	found, closes, err := l.inBases(ctx, l.set, nil, opts)
	closes()
	if err != nil {
		return nil, err
	}
	for _, im := range l.set.Images {
		im.NotHere = found.Still(im.NotHere)
	}
	return found.Missing, nil
}

// leftOut finds a blob that was left out of the archive in what --base names, or what it is a patch of.
func (l *looker) leftOut(ctx context.Context, a image.Absent) (v1.Descriptor, image.Source, error) {
	im := &source.Image{NotHere: []image.Absent{a}}
	set := &source.Set{Spec: l.set.Spec, Images: []*source.Image{im}}
	found, closes, err := l.inBases(ctx, set, l.set.Layout.Content(), untrusted(l.sourceOptions()))
	l.closes = closes
	switch {
	case err != nil:
		return a.Descriptor, nil, err
	case len(found.Missing.Blobs) == 0:
		return a.Descriptor, found.Source, nil
	case a.Rebuilt != nil:
		b := a.Rebuilt.Bases[0]
		return a.Descriptor, nil, kind.Errorf(registry.ErrNotFound, "%s has it as a patch of %s, which unpacks "+
			"to %s: --base X names an archive, a layout or a repository that has that",
			l.set.Spec.Text, b.Digest, b.DiffID)
	}
	return a.Descriptor, nil, kind.Errorf(registry.ErrNotFound, "it was left out of %s: take it from the "+
		"destination, which had it already, or name an earlier archive with --base X", l.set.Spec.Text)
}

// patches are the layers that travel as patches, and what these need.
func patches(r *audit.Report) *report.Patches {
	all := r.Patched()
	if len(all) == 0 {
		return nil
	}
	p := &report.Patches{LayerCount: len(all)}
	seen := map[digest.Digest]bool{}
	for _, a := range all {
		p.SizeBytes, p.PatchBytes = p.SizeBytes+a.Descriptor.Size, p.PatchBytes+a.Rebuilt.Size()
		for _, b := range a.Rebuilt.Bases {
			if !seen[b.DiffID] {
				seen[b.DiffID] = true
				p.Bases = append(p.Bases, report.Base{Digest: b.Digest, SizeBytes: b.Size, DiffID: b.DiffID})
			}
		}
	}
	slices.SortFunc(p.Bases, func(a, b report.Base) int { return cmp.Compare(a.DiffID, b.DiffID) })
	return p
}

// noteNeeds says what the destination has to have already.
func (v *verifier) noteNeeds(doc report.Document) {
	text := v.set.Spec.Text
	if n := doc.LeftOut; n != nil {
		v.note("note: %s needs %s, %s, that its destination has to have already", text,
			terminal.Count(n.BlobCount, "blob"), terminal.Size(n.SizeBytes))
	}
	p := doc.Patches
	if p == nil {
		return
	}
	var b strings.Builder
	for _, base := range p.Bases[:min(len(p.Bases), shownMissing)] {
		fmt.Fprintf(&b, "\n  %s  %s  unpacks to %s", base.Digest, terminal.Size(base.SizeBytes), base.DiffID)
	}
	if more := len(p.Bases) - shownMissing; more > 0 {
		fmt.Fprintf(&b, "\n  and %d more", more)
	}
	as := "as patches"
	if p.LayerCount == 1 {
		as = "as a patch"
	}
	v.note("note: %s has %s %s of layers that its destination has to have already:"+b.String(),
		text, terminal.Count(p.LayerCount, "layer"), as)
}
