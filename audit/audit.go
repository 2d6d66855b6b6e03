// Package audit reads images that are on this machine once more, whole, and says what of them is not as it should be:
// manifests, configurations and layers against their digests and sizes, layers also against the diff IDs. Use [Check].
package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/verify"
)

// ErrIntegrity is wrapped where content is not what its digest, size or diff ID says.
var ErrIntegrity = verify.ErrMismatch

// Target is an image to check: Root in Source, or, if Saved is set, an image of a docker tar, as dockerarchive.Reader.Outline
// or Images tells of it.
type Target struct {
	Root   v1.Descriptor
	Source image.Source
	Saved  *dockerarchive.SavedImage
}

// Kind is what part of an image a blob is.
type Kind string

// The kinds of blobs.
const (
	Manifest      Kind = "manifest"
	Configuration Kind = "configuration"
	Layer         Kind = "layer"
	Other         Kind = "blob" // of what is no container image
)

// Fault is a blob that is bad or missing.
type Fault struct {
	Kind   Kind
	Digest digest.Digest // as its image refers to it; of a layer of a docker tar, its diff ID, if any configuration tells that
	Path   string        // where it is, or should be, in a docker tar
	Err    error
}

func (f Fault) Error() string { return fmt.Sprintf("%s %s: %s", f.Kind, f.Blob(), f.Reason()) }

// Blob is the digest, or the quoted path of what has none.
func (f Fault) Blob() string {
	if f.Digest == "" {
		return strconv.Quote(f.Path)
	}
	return f.Digest.String()
}

// Reason says what is wrong, without naming the blob.
func (f Fault) Reason() string {
	if errors.Is(f.Err, fs.ErrNotExist) {
		return "missing"
	}
	return strings.TrimPrefix(f.Err.Error(), f.Digest.String()+": ")
}

// Unwrap returns why the blob is bad.
func (f Fault) Unwrap() error { return f.Err }

// Result is what was found out about one target.
type Result struct {
	Faults []Fault         // none: everything is in order
	Absent []v1.Descriptor // foreign layers, which need not be there
}

// Options say how images are checked. The zero value is good.
type Options struct {
	Jobs int // blobs that are read at once; 0 means one for each processor

	// Planned is called once, before any layer is read, with all of them.
	Planned func(blobs []v1.Descriptor)
	// Progress is told how many bytes of a blob have been read. It is called concurrently and must return at once.
	Progress func(blob v1.Descriptor, read int64)
}

// Report is the outcome of a check.
type Report struct {
	Results []Result // of the targets, in their order

	// Reached holds every digest that the targets lead to. It lacks what is below a manifest that could not be read.
	Reached map[digest.Digest]bool
	Blobs   int   // layers and other blobs that were read, each once
	Bytes   int64 // that these have
}

// Reach returns every digest that the targets lead to, without reading anything but manifests and configurations, and whether it is sure
// that there are no more: what is below a damaged manifest is not known. Absent ones lead to nothing. It fails only if ctx ends.
func Reach(ctx context.Context, targets []Target) (reached map[digest.Digest]bool, sure bool, err error) {
	w := newWalker()
	sure = true
	for _, t := range targets {
		var r Result
		w.begin(t, &r)
		w.manifest(ctx, t.Root, 0)
		if ctx.Err() != nil {
			return nil, false, context.Cause(ctx)
		}
		sure = sure && !slices.ContainsFunc(r.Faults, func(f Fault) bool { return f.Kind == Manifest && !errors.Is(f.Err, fs.ErrNotExist) })
	}
	return w.reached, sure, nil
}

// Check reads all that the targets consist of, what several share once, and goes on after a fault. It fails only if
// ctx ends.
func Check(ctx context.Context, targets []Target, opts Options) (*Report, error) {
	w := newWalker()
	report := &Report{Results: make([]Result, len(targets)), Reached: w.reached}
	for i, t := range targets {
		w.begin(t, &report.Results[i])
		if t.Saved != nil {
			w.saved(t.Saved)
		} else {
			w.manifest(ctx, t.Root, 0)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	if err := w.readAll(ctx, opts); err != nil {
		return nil, err
	}
	for _, u := range w.uses {
		u.judge()
	}
	report.Blobs = len(w.order)
	for _, t := range w.order {
		report.Bytes += t.desc.Size
	}
	return report, nil
}
