package audit

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"runtime"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/internal/transfer"
	"drayage/internal/unpack"
	"drayage/internal/verify"
)

// taskKey tells reads apart: blobs with equal keys are read once.
type taskKey struct {
	blobKey
	path      string           // in a docker tar, where the digest is of the content and not of the file
	algorithm digest.Algorithm // of the wanted diff ID; empty: the blob is not unpacked
}

// task is a blob to read, for as many images as have it.
type task struct {
	key    taskKey
	desc   v1.Descriptor
	source image.Source

	diffID digest.Digest // found by the read
	err    error
}

// use is a blob of one image.
type use struct {
	task   *task
	result *Result
	part   image.Part
	desc   v1.Descriptor
	diffID digest.Digest // what it must unpack to; empty: anything
}

// told is a fault that an image has been told of.
type told struct {
	result *Result
	text   string
}

// judge enters the outcome of the read into the result of the image, unless it has been told already.
func (u use) judge(before map[told]bool) {
	err := u.task.err
	if errors.Is(err, fs.ErrNotExist) && image.IsForeign(u.desc.MediaType) {
		absent := image.Absent{Part: u.part, Descriptor: u.desc, Reason: image.ForeignLayer}
		u.result.Absent = append(u.result.Absent, absent)
		return
	}
	if large := new(unpack.Error); u.task.key.path == "" && errors.As(err, &large) && large.Large() {
		u.result.Sealed = append(u.result.Sealed, "layer "+u.desc.Digest.String()+": "+large.Error())
		return // its digest is right: task.read looks at that first
	}
	if err == nil && u.diffID != "" {
		err = unpack.CheckDiffID(u.task.diffID, u.diffID)
	}
	if err == nil {
		return
	}
	fault := image.NewFault(u.part, u.desc, err)
	fault.Path = u.task.key.path
	if key := (told{u.result, fault.Error()}); !before[key] {
		before[key] = true
		u.result.Faults = append(u.result.Faults, fault)
	}
}

// readAll does all tasks, the largest first.
func (w *walker) readAll(ctx context.Context, opts Options) error {
	slices.SortStableFunc(w.order, func(a, b *task) int { return cmp.Compare(b.desc.Size, a.desc.Size) })
	if opts.Planned != nil {
		var blobs []v1.Descriptor
		for _, t := range w.order {
			blobs = append(blobs, t.desc)
		}
		opts.Planned(blobs)
	}
	jobs := opts.Jobs
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	var g errgroup.Group
	g.SetLimit(jobs)
	for _, t := range w.order {
		g.Go(func() error {
			if ctx.Err() == nil {
				t.read(ctx, opts.Progress)
			}
			return context.Cause(ctx)
		})
	}
	return g.Wait()
}

func (t *task) read(ctx context.Context, progress func(v1.Descriptor, int64)) {
	rc, err := t.source.Open(ctx, t.desc, 0, image.ToEnd)
	if err != nil {
		t.err = err
		return
	}
	defer rc.Close()
	var reported func(int64)
	if progress != nil {
		reported = func(n int64) { progress(t.desc, n) }
		reported(0)
	}
	stored := transfer.Counted(transfer.WithContext(ctx, rc), reported)
	if t.key.path != "" {
		t.err = t.unpack(ctx, stored)
		return
	}
	check := verify.NewCheck(t.desc)
	raw := &sticky{r: io.TeeReader(stored, check)}
	var unpacking error
	if t.key.algorithm != "" {
		unpacking = t.unpack(ctx, raw)
	}
	// A fault of the bytes explains why they could not be unpacked, so it comes first.
	if _, t.err = io.Copy(io.Discard, raw); t.err == nil {
		t.err = cmp.Or(check.Done(), unpacking)
	}
}

func (t *task) unpack(ctx context.Context, stored io.Reader) error {
	layer, err := unpack.Sum(ctx, stored, t.key.algorithm, nil)
	t.diffID = layer.DiffID
	return err
}

// sticky repeats the first error of r. So a reader that drops the error cannot hide it from the next one.
type sticky struct {
	r   io.Reader
	err error
}

func (s *sticky) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.err = err
	return n, err
}
