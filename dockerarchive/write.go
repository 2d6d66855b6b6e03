package dockerarchive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/internal/transfer"
)

// Format is a way in which an archive holds images.
type Format string

// The formats. docker load takes both.
const (
	// Docker is what docker save wrote up to version 24. Its layers are unpacked, and it holds single container
	// images: no index, no artifact, no referrers. It lacks layers that were left out, as [image.LeftOut] says:
	// docker load takes it where an engine has unpacked these and all layers below them. All others must be
	// there.
	Docker Format = "docker"
	// OCI is an OCI image layout (https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md) with
	// a manifest.json for engines that read only that. It holds the registry's own bytes, so that digests stay,
	// and takes indexes, artifacts and the referrers of images. It lacks what is absent of an image on purpose,
	// as [image.Absent] says.
	OCI Format = "oci"
)

// Whole reports whether the format takes images as they are, with the digests that a registry gave them:
// indexes, artifacts and referrers too.
func (f Format) Whole() bool { return f == OCI }

func (f Format) entries(ctx context.Context, images []*image.Image) ([]*tarEntry, error) {
	switch f {
	case Docker:
		return dockerEntries(ctx, images)
	case OCI:
		return ociEntries(ctx, images)
	}
	return nil, fmt.Errorf("there is no archive format %q", string(f))
}

// Options say how an archive is written. The zero value is good.
type Options struct {
	// Jobs is how many blobs are read at once. 0 means a good number. Where layers are unpacked, it is one more
	// than there are processors, and at least three.
	Jobs int
	// Once lets Stream read each blob once. It is for output that can be thrown away. Stream then believes what
	// the blob of a layer tells of the unpacked size. If the blob does not tell it, or tells it wrong, Stream
	// fails with ErrUnsized. If a layer is wrong, Stream finds out after it has written a part of the archive.
	Once bool

	// Planned is called once, before any blob is read, with all that will be read. Manifests and configurations
	// of a docker tar are not among them.
	Planned func(blobs []v1.Descriptor)
	// Loadable is called before anything is written if the archive has a manifest.json: without that it holds
	// artifacts alone, and engines load nothing.
	Loadable func()
	// Room is asked before anything is written to a file whether there is room for so many more bytes. They are
	// about what the archive will take. Its error ends the work.
	Room func(bytes int64) error
	// Progress is told how many bytes of a blob have been read. It is called concurrently and must return at
	// once.
	Progress func(blob v1.Descriptor, read int64)
}

// File is what an archive is written into: *os.File is one.
type File interface {
	io.WriterAt
	io.ReaderAt
	Truncate(size int64) error
}

// ErrUnsized is wrapped by the error of Stream with [Options].Once about a layer whose size shows only when
// it has been unpacked. Without Once, Stream can write the same images.
var ErrUnsized = errors.New("its size shows only when it has been unpacked")

// ErrInOrder is wrapped by the error of Write about a file that cannot be written out of order, because its
// file system does not extend files. Nothing has been written then, and Stream can write the same images.
var ErrInOrder = errors.New("the file system does not extend the file")

// Write writes images to f. A docker tar keeps only names with a tag, an OCI tar also those with a digest.
// Write brings blobs side by side, each straight to its place, and checks every digest and diff ID. The same
// images give the same bytes, whatever the source and the number of jobs. What f holds is worth something
// only if Write returns nil. Making it durable and naming it is the caller's.
func Write(ctx context.Context, f File, format Format, images []*image.Image, opts Options) error {
	a, err := prepare(ctx, format, images, opts)
	if err != nil {
		return err
	}
	err = a.writeAt(ctx, f)
	if errors.Is(err, errOtherSize) {
		// A layer of another size than its blob says changes the place of all that follow. All such layers are
		// known by now. They go behind the others, where sizes need not be known.
		a.opts.Room = nil // it has been asked
		err = a.writeAt(ctx, f)
	}
	return err
}

// Stream writes what [Write] writes to something that cannot be written out of order, such as a pipe. A tar
// tells the size of a file before its content, so Stream reads the layers that it unpacks twice. The first
// reading learns their sizes and checks everything: Stream writes nothing of a docker tar if one of its
// layers is wrong. Options.Progress counts half the bytes of each reading. All other blobs are read once. If
// one of these turns out wrong, Stream fails after it has written a part of the archive.
func Stream(ctx context.Context, w io.Writer, format Format, images []*image.Image, opts Options) error {
	a, err := prepare(ctx, format, images, opts)
	if err != nil {
		return err
	}
	if a.twice = !opts.Once; a.twice {
		if err := a.measure(ctx); err != nil {
			return err
		}
	}
	return a.stream(ctx, w)
}

type archive struct {
	entries []*tarEntry
	blobs   []*blob // of entries, in the same order
	opts    Options
	twice   bool // layers that are unpacked are read twice
}

func prepare(ctx context.Context, format Format, images []*image.Image, opts Options) (*archive, error) {
	a, err := gather(ctx, format, images)
	if err != nil {
		return nil, err
	}
	if a.opts = opts; opts.Planned != nil {
		all := make([]v1.Descriptor, len(a.blobs))
		for i, b := range a.blobs {
			all[i] = *b.Descriptor
		}
		opts.Planned(all)
	}
	listed := func(e *tarEntry) bool { return e.name == "manifest.json" }
	if opts.Loadable != nil && slices.ContainsFunc(a.entries, listed) {
		opts.Loadable()
	}
	return a, a.guess(ctx, trailer)
}

// gather lists what an archive consists of.
func gather(ctx context.Context, format Format, images []*image.Image) (*archive, error) {
	if len(images) == 0 {
		return nil, errors.New("no image to save")
	}
	entries, err := format.entries(ctx, images)
	if err == nil {
		err = fit(entries)
	}
	if err != nil {
		return nil, err
	}
	a := &archive{entries: entries}
	for _, e := range entries {
		if e.blob != nil {
			a.blobs = append(a.blobs, e.blob)
		}
	}
	return a, nil
}

// guess guesses the sizes of all blobs in the archive.
func (a *archive) guess(ctx context.Context, end trailerFunc) error {
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(16) // a few bytes each: a matter of round trips
	for _, b := range a.blobs {
		eg.Go(func() error { return b.guess(ctx, end) })
	}
	return eg.Wait()
}

func (a *archive) split() (early, late []*tarEntry) {
	early = which(a.entries, func(e *tarEntry) bool { return !e.late() })
	return early, which(a.entries, (*tarEntry).late)
}

// run reads blobs side by side, the largest first. The first error ends all of them: an archive is whole or
// nothing. What is to be done has these sizes in bytes.
func (a *archive) run(
	ctx context.Context, sizes []int64, do func(ctx context.Context, number int) error,
) (failed error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	n := a.opts.Jobs
	if n <= 0 && slices.ContainsFunc(a.blobs, (*blob).unpacked) {
		n = max(3, runtime.GOMAXPROCS(0)+1)
	}
	transfer.Each(ctx, sizes, n, do, func(_ int, err error) {
		if err != nil && failed == nil {
			failed = err
			stop(err)
		}
	})
	return failed
}

// reported returns what one reading of b tells how many bytes it has read, or nil.
func (a *archive) reported(b *blob) func(int64) {
	if a.opts.Progress == nil {
		return nil
	}
	first, second := a.twice && b.unpacked() && !b.measured, b.measured
	return func(n int64) {
		if first {
			n /= 2
		} else if second {
			n = b.Size/2 + (n+1)/2
		}
		a.opts.Progress(*b.Descriptor, n)
	}
}

// measure unpacks layers to nowhere, to learn their sizes.
func (a *archive) measure(ctx context.Context) error {
	var sizes []int64
	layers := slices.DeleteFunc(slices.Clone(a.blobs), func(b *blob) bool { return !b.unpacked() })
	for _, b := range layers {
		sizes = append(sizes, b.Size)
	}
	return a.run(ctx, sizes, func(ctx context.Context, i int) error {
		b := layers[i]
		n, err := b.write(ctx, func() io.Writer { return io.Discard }, a.reported(b))
		b.late = b.late || b.size != n
		b.size, b.measured = n, true
		return err
	})
}

func (a *archive) stream(ctx context.Context, w io.Writer) error {
	for _, b := range a.blobs {
		if b.late && !b.measured {
			return b.named(ErrUnsized)
		}
	}
	early, late := a.split()
	var head bytes.Buffer
	for _, e := range append(early, late...) {
		if err := e.head(&head); err != nil {
			return err
		}
		if _, err := w.Write(head.Bytes()); err != nil {
			return err
		}
		if e.blob == nil {
			continue
		}
		if err := a.streamBlob(ctx, w, e.blob); err != nil {
			return err
		}
	}
	_, err := w.Write(archiveEnd)
	return err
}

func (a *archive) streamBlob(ctx context.Context, w io.Writer, b *blob) error {
	n, err := b.writeOnce(ctx, &bounded{w, b.size}, a.reported(b))
	if errors.Is(err, errOtherSize) || err == nil && n != b.size {
		return b.named(ErrUnsized)
	}
	if err != nil {
		return err
	}
	_, err = w.Write(padding(n))
	return err
}

// bounded fails with errOtherSize instead of writing more than is left.
type bounded struct {
	w    io.Writer
	left int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, errOtherSize
	}
	b.left -= int64(len(p))
	return b.w.Write(p)
}
