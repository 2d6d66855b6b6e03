// Package audit reads every byte of images that are stored on this machine and says what is missing or
// damaged. It compares manifests, configurations and layers with their digests and sizes, and what layers
// unpack to with the diff IDs. Use [Check].
package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/verify"
	"drayage/layout"
)

// ErrIntegrity is wrapped where content is not what its digest, size or diff ID says.
var ErrIntegrity = verify.ErrMismatch

// Target is an image to check: Root in Source, or, if Saved is set, an image of a docker tar, as
// dockerarchive.Reader.Survey or Images tells of it.
type Target struct {
	Root   v1.Descriptor
	Source image.Source
	Saved  *dockerarchive.SavedImage
	Absent []image.Absent // parts that Source lacks on purpose: they are not read
	// Content names absent layers that Source has unpacked, as blobs under their diff IDs.
	Content map[digest.Digest]bool
}

// Result is what Check found out about one target.
type Result struct {
	Faults []image.Absent // what is damaged or missing; none: everything is in order
	Absent []image.Absent // what need not be there: Target.Absent and foreign layers
	Sealed []string       // why layers were compared with their digests only: image.Judgement.Why
}

// Options say how images are checked. The zero value is good.
type Options struct {
	Jobs int // blobs that are read at once; 0 means one for each processor

	// Found is told of each target, counted from 0, which layers and other blobs it consists of. Of targets that
	// are the same image it is told of the first. It is called before Planned.
	Found func(target int, blobs []v1.Descriptor)
	// Planned is called once, before any layer is read, with all of them.
	Planned func(blobs []v1.Descriptor)
	// Progress is told how many bytes of a blob have been read. It is called concurrently and must return at
	// once.
	Progress func(blob v1.Descriptor, read int64)
}

// Report is the outcome of a check.
type Report struct {
	Results []Result // of the targets, in their order

	// Reached holds every digest that the targets lead to. It lacks what is below a manifest that could not be
	// read.
	Reached map[digest.Digest]bool
	Blobs   int   // layers and other blobs that were read, each once
	Bytes   int64 // of these
}

// LeftOut counts what images lack because whoever made their archive knew that the destination has it: blobs,
// each once, and their bytes. Layers that travel as patches do not count.
func (r *Report) LeftOut() (blobs int, bytes int64) {
	for _, a := range r.leftOut() {
		if a.Rebuilt == nil {
			blobs, bytes = blobs+1, verify.AddSize(bytes, a.Descriptor.Size)
		}
	}
	return blobs, bytes
}

// Patched lists the layers that images lack because they travel as patches of others, each once.
func (r *Report) Patched() []image.Absent {
	return slices.DeleteFunc(r.leftOut(), func(a image.Absent) bool { return a.Rebuilt == nil })
}

// leftOut lists what was left out, each blob once.
func (r *Report) leftOut() (all []image.Absent) {
	seen := map[digest.Digest]bool{}
	for _, result := range r.Results {
		for _, a := range result.Absent {
			if d := a.Descriptor; a.Reason == image.LeftOut && !seen[d.Digest] {
				seen[d.Digest] = true
				all = append(all, a)
			}
		}
	}
	return all
}

// Check reads all that the targets consist of. It reads what several targets share once, and goes on after
// a fault. It fails only if ctx ends, or if the targets consist of too many parts, counted for each of them.
func Check(ctx context.Context, targets []Target, opts Options) (*Report, error) {
	w := newWalker()
	report := &Report{Results: make([]Result, len(targets)), Reached: w.reached}
	first := firsts(targets)
	for i, t := range targets {
		w.begin(t, &report.Results[i])
		if first[i] != i {
			continue
		}
		before := len(w.uses)
		if t.Saved != nil {
			w.saved(t.Saved)
		} else if err := w.image(ctx); err != nil {
			return nil, cmp.Or(context.Cause(ctx), err)
		}
		opts.found(i, w.uses[before:])
	}
	if err := w.readAll(ctx, opts); err != nil {
		return nil, err
	}
	before := map[told]bool{}
	for i := range report.Results {
		for _, f := range report.Results[i].Faults {
			before[told{&report.Results[i], f.Error()}] = true
		}
	}
	for _, u := range w.uses {
		u.judge(before)
	}
	for i, j := range first {
		if i != j {
			report.Results[i] = report.Results[j]
		}
	}
	report.Blobs = len(w.order)
	for _, t := range w.order {
		report.Bytes = verify.AddSize(report.Bytes, t.desc.Size)
	}
	return report, nil
}

func (o Options) found(target int, uses []use) {
	if o.Found == nil {
		return
	}
	var blobs []v1.Descriptor
	for _, u := range uses {
		blobs = append(blobs, u.task.desc)
	}
	o.Found(target, blobs)
}

// firsts finds for each target the first one that is the same image: another name of it. One image has the
// same parts absent on purpose, whatever its names.
func firsts(targets []Target) []int {
	known, first := map[string]int{}, make([]int, len(targets))
	for i, t := range targets {
		what := fmt.Sprintf("%p %s %d %s %d", t.Source, t.Root.Digest, t.Root.Size, t.Root.MediaType, len(t.Absent))
		if j, ok := known[what]; ok && t.Saved == nil && len(t.Root.Data) == 0 {
			first[i] = j
		} else {
			first[i], known[what] = i, i
		}
	}
	return first
}

// Unreferenced counts what a layout or an archive holds that no image in it leads to.
type Unreferenced struct {
	Blobs int   `json:"blobs"`
	Bytes int64 `json:"bytes"`
}

// UnreferencedInLayout counts the blobs in the directory of a layout that no image leads to. r is the report
// of a check of all images of the layout. The result is nil if nobody can know, because a manifest could not
// be read.
func UnreferencedInLayout(ctx context.Context, l *layout.Layout, r *Report) (*Unreferenced, error) {
	for _, result := range r.Results {
		if slices.ContainsFunc(result.Faults, func(f image.Absent) bool { return f.Part == image.PartManifest }) {
			return nil, nil
		}
	}
	belongs, err := l.DeltaBlobs(ctx)
	if err != nil {
		return nil, err
	}
	u := &Unreferenced{}
	err = l.EachBlob(func(d v1.Descriptor) error {
		if !r.Reached[d.Digest] && !belongs[d.Digest] {
			u.Blobs++
			u.Bytes = verify.AddSize(u.Bytes, d.Size)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// UnreferencedInArchive counts the files of an archive that no image leads to. It follows index.json and
// manifest.json, whatever images were checked. The result is nil if nobody can know these files.
func UnreferencedInArchive(ctx context.Context, a *dockerarchive.Reader) (*Unreferenced, error) {
	l, err := a.Layout()
	if err != nil || l == nil && !a.HasItems() {
		return nil, nil
	}
	reached := map[digest.Digest]bool{}
	if l != nil {
		var sure bool
		if reached, sure, err = reachedFrom(ctx, l); err != nil || !sure {
			return nil, err
		}
		if belongs, err := l.DeltaBlobs(ctx); err == nil {
			maps.Copy(reached, belongs)
		}
	}
	n, bytes, err := a.Unreferenced(reached)
	if err != nil {
		return nil, err
	}
	return &Unreferenced{n, bytes}, nil
}

// reachedFrom returns every digest that the index of a layout leads to. It reads only manifests. sure reports
// that there are no more digests: nobody knows what is below a damaged manifest. A missing manifest leads to
// nothing. reachedFrom fails only if ctx ends.
func reachedFrom(
	ctx context.Context, l *layout.Layout,
) (reached map[digest.Digest]bool, sure bool, err error) {
	images, err := l.Images()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	w := newWalker()
	w.listing = true
	targets := make([]Target, len(images))
	for i, im := range images {
		targets[i] = Target{Root: im.Descriptor, Source: l}
	}
	sure = true
	for i, first := range firsts(targets) {
		var r Result
		if i != first {
			continue
		}
		w.begin(targets[i], &r)
		if err := w.image(ctx); err != nil {
			return nil, false, cmp.Or(context.Cause(ctx), err)
		}
		sure = sure && !slices.ContainsFunc(r.Faults, func(f image.Absent) bool {
			return f.Part == image.PartManifest && f.Reason == image.Damaged
		})
	}
	return w.reached, sure, nil
}
