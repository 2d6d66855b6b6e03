package main

import (
	"context"
	"errors"

	"drayage/audit"
	"drayage/image"
	"drayage/internal/source"
	"drayage/internal/want"
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
			t.Source, t.Absent = found.Source, found.Still(t.Absent)
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
