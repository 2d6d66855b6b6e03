// Package workplace holds the verbs that work in the directory of a layout: what they do there, and what they
// say of it.
package workplace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"drayage/internal/durable"
	"drayage/internal/pattern"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/internal/usage"
	"drayage/layout"
	"drayage/registry"
)

// Result is what a verb has done: a document for programs, and lines and notes for people.
type Result struct {
	Document report.Document
	Lines    []string
	Notes    []string
}

func (r *Result) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// Parse reads arguments that are layouts, or images in one. They have to be in one layout, whose path it
// returns, with their names. parse reads a SOURCE.
func Parse(args []string, parse func(string) (source.Spec, error)) (dir string, names []string, err error) {
	for _, arg := range args {
		spec, err := parse(arg)
		switch {
		case len(names) > 0 && names[0] == "" && (err != nil || spec.Kind != source.Layout): // rm DIR NAME
			return "", nil, usage.Errorf("the layout stands before the name of an image: %s",
				terminal.ShellWord("oci:"+dir+":"+arg))
		case err != nil:
			return "", nil, err
		case spec.Kindless() != "":
			return "", nil, usage.Errorf("%q is the name of an image in a registry: did you mean %s?",
				arg, spec.Kindless())
		case spec.Missing() != nil:
			return "", nil, spec.Missing()
		case spec.Kind == source.Registry:
			return "", nil, usage.Errorf("%q is an image in a registry, and this works in a layout: "+
				"give oci:DIR or oci:DIR:NAME", arg)
		case spec.Kind != source.Layout:
			return "", nil, usage.Errorf("%q is no layout in a directory: give oci:DIR or oci:DIR:NAME", arg)
		case dir != "" && dir != spec.Path:
			return "", nil, usage.Errorf("all images have to be in one layout, not in %s and %s", dir, spec.Path)
		}
		dir, names = spec.Path, append(names, spec.Name)
	}
	return dir, names, nil
}

// Remove takes images out of a layout, with their referrers.
func Remove(ctx context.Context, dir string, names []string, dryRun bool) (*Result, error) {
	if slices.Contains(names, "") {
		return nil, usage.Errorf("%q names no image: give oci:%s:NAME, or 'oci:%s:*' for all images", dir, dir, dir)
	}
	d, err := layout.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	choose := func(all []layout.Image) ([]int, error) { return source.Choose(all, names) }
	did, err := d.Remove(ctx, choose, dryRun)
	if err != nil {
		return nil, unchanged(dir, err)
	}
	r := &Result{Document: report.Document{Output: dir, Images: []report.Image{}, DryRun: dryRun,
		Unreferenced: &report.Blobs{BlobCount: did.Blobs, SizeBytes: did.Bytes}}}
	for i, im := range slices.Concat(did.Removed, did.Along) {
		name := cmp.Or(im.Label(), im.Descriptor.Digest.String())
		shown := report.Image{Name: name, OK: true}
		shown.Digest, shown.MediaType = im.Descriptor.Digest, im.Descriptor.MediaType
		r.Document.Images = append(r.Document.Images, shown)
		if i >= len(did.Removed) {
			name += " (a referrer of " + im.Subject.String() + ", which nothing else has)"
		}
		r.Lines = append(r.Lines, name)
	}
	gc := "drayage gc " + terminal.ShellWord(dir)
	if dryRun {
		r.note("dry run: nothing has changed; without it %s would free %s", gc, terminal.Size(did.Bytes))
	} else if did.Blobs > 0 {
		r.note("%s can be freed with %s", terminal.Size(did.Bytes), gc)
	}
	return r, nil
}

// unchanged says of an error of the disk that nothing has happened to the layout, and what needs no room:
// index.json is written anew beside the old one.
func unchanged(dir string, err error) error {
	if !durable.DiskFailed(err) {
		return err
	}
	return fmt.Errorf("%w; the layout is as it was, and drayage gc %s may make room for a new index.json",
		err, terminal.ShellWord(dir))
}

// AddName gives an image of a layout another name. Of a layout with one image its name may be empty.
func AddName(ctx context.Context, dir, name, added string) (*Result, error) {
	if pattern.IsGlob(name) {
		return nil, usage.Errorf("%q is a pattern, and this is for one image", name)
	}
	ref, err := registry.ParseReference(added)
	if err == nil && ref.Digest != "" {
		err = errors.New("a digest cannot be given: leave it out")
	}
	if bare, ok := strings.CutPrefix(added, "oci:"+dir+":"); ok {
		return nil, usage.Errorf("the layout stands before the first name only: give %s", bare)
	}
	if err != nil {
		return nil, usage.Errorf("new name %q: %v", added, err)
	}
	d, err := layout.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	choose := func(all []layout.Image) ([]int, error) { return source.ChooseOne(all, name) }
	of, old, err := d.AddName(ctx, choose, ref.String(), ref.Tag)
	if err != nil {
		return nil, unchanged(dir, err)
	}
	id := of.Descriptor.Digest
	shown := report.Image{Name: ref.String(), OK: true, Reference: ref.Name() + "@" + id.String()}
	shown.Digest = id
	r := &Result{Lines: []string{ref.String() + "@" + id.String()}}
	if old.Digest != "" && old.Digest != id {
		shown.Replaced = old.Digest
		r.note("note: %s was %s before", ref, old.Digest)
	}
	r.Document = report.Document{Output: dir, Images: []report.Image{shown}}
	return r, nil
}

// Collect frees the room of what no image in a layout needs. Beside an error it returns what it has done, if
// it has done anything.
func Collect(ctx context.Context, dir, name string, opts layout.CollectOptions) (*Result, error) {
	switch {
	case name != "":
		return nil, usage.Errorf("it is for a whole layout, not for %q in it", name)
	case opts.MinAge < 0:
		return nil, usage.Errorf("--min-age is a time such as 24h")
	}
	d, err := layout.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	did, err := d.Collect(ctx, opts)
	switch {
	case errors.Is(err, layout.ErrNoLocks):
		err = fmt.Errorf("%w: make sure that nothing writes to it, and give --min-age 0s", err)
	case errors.Is(err, layout.ErrIntegrity):
		err = fmt.Errorf("%s: %w: drayage verify --repair %s removes it, fetching the image again heals it",
			dir, err, terminal.ShellWord(dir))
	}
	if err != nil && did.Blobs+did.Partial == 0 {
		return nil, err
	}
	return collected(dir, did, opts), err
}

func collected(dir string, did *layout.Collected, opts layout.CollectOptions) *Result {
	freed, what := did.Bytes+did.PartialBytes, "freed"
	if opts.DryRun {
		what = "would be freed"
	}
	line := fmt.Sprintf("%s: %s %s, %s", dir, terminal.Size(freed), what, terminal.Count(did.Blobs, "blob"))
	if did.Partial > 0 {
		line += " and " + terminal.Count(did.Partial, "unfinished download")
	}
	r := &Result{Lines: []string{line}}
	if did.Needed > 0 {
		r.note("note: %s (%s) that no image needs stay: a fetch is running that needs them",
			terminal.Count(did.Needed, "blob"), terminal.Size(did.NeededBytes))
	}
	if did.Young > 0 {
		r.note("note: %s (%s) that no image needs stay: they are younger than %s",
			terminal.Count(did.Young, "blob"), terminal.Size(did.YoungBytes), opts.MinAge)
	}
	r.Document = report.Document{Output: dir, DryRun: opts.DryRun,
		Freed: &report.Blobs{BlobCount: did.Blobs + did.Partial, SizeBytes: freed},
		InUse: &report.Blobs{BlobCount: did.Needed, SizeBytes: did.NeededBytes}}
	return r
}
