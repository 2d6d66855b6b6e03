package dockerarchive

import (
	"archive/tar"
	"context"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/marks"
	"drayage/internal/transfer"
)

// OCIFile is what an OCI archive is written into: *os.File is one.
type OCIFile interface {
	File
	io.ReaderAt
}

// WriteOCI writes images to f as an OCI layout that docker load takes too: oci-layout, index.json, manifest.json and blobs with
// the registry's own bytes, so that manifest digests travel. Blobs are written side by side, each straight to its place, and
// verified. What f holds is worth something only if WriteOCI returns nil; making it durable and naming it is the caller's. If f remembers
// what an earlier call has left there, that is not read from the sources again.
func WriteOCI(ctx context.Context, f OCIFile, images []Whole, opts Options) error {
	c, members, err := prepareOCI(ctx, images, opts)
	if err != nil {
		return err
	}
	heads, places, err := layOut(c, members)
	if err != nil {
		return err
	}
	parts, err := begin(f, heads, places)
	if err != nil {
		return err
	}
	end := archiveEnd(heads, places)
	if err := opts.room(end - sum(parts)); err != nil {
		return err
	}
	for _, h := range heads {
		if _, err := f.WriteAt(h.data, h.off); err != nil {
			return err
		}
	}
	if err := f.Truncate(end); err != nil { // what nobody writes to is zero
		return err
	}
	return fillPlaces(ctx, parts, places, opts)
}

// archiveEnd is the size of the whole archive.
func archiveEnd(heads []head, places []place) int64 {
	end := int64(0)
	for _, h := range heads {
		end = max(end, h.off+int64(len(h.data)))
	}
	for _, p := range places {
		end = max(end, p.off+padded(p.blob.desc.Size))
	}
	return end + 2*blockSize
}

func sum(parts []*marks.Part) (n int64) {
	for _, p := range parts {
		n += marks.Sum(p.Held())
	}
	return n
}

// head is a piece of the archive that is made here, and where it stands.
type head struct {
	data []byte
	off  int64
}

// place is where a blob's content goes.
type place struct {
	blob ociBlob
	off  int64
}

// layOut gives everything in the archive its place.
func layOut(c *ociContents, members []*member) (heads []head, places []place, err error) {
	off := int64(0)
	for _, m := range members {
		h, err := m.head()
		if err != nil {
			return nil, nil, err
		}
		heads = append(heads, head{h, off})
		off += int64(len(h))
	}
	for _, b := range c.blobs() {
		h, err := b.head()
		if err != nil {
			return nil, nil, err
		}
		heads = append(heads, head{h, off})
		off += int64(len(h))
		places = append(places, place{b, off})
		off += padded(b.desc.Size)
	}
	return heads, places, nil
}

func fillPlaces(ctx context.Context, parts []*marks.Part, places []place, opts Options) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	at := map[digest.Digest]*marks.Part{}
	var jobs []transfer.Job
	for i, p := range places {
		at[p.blob.desc.Digest] = parts[i]
		jobs = append(jobs, transfer.Job{Blob: p.blob.desc, Source: p.blob.source})
	}
	var failed error
	transfer.Run(ctx, jobs, opts.Jobs, func(ctx context.Context, j transfer.Job) error {
		_, err := transfer.Fill(ctx, j.Source, j.Blob, at[j.Blob.Digest], opts.reported(j.Blob))
		return err
	}, func(_ transfer.Job, err error) {
		if err != nil && failed == nil {
			failed = err
			stop(err) // an archive is whole or nothing
		}
	})
	return failed
}

// StreamOCI writes what WriteOCI writes to something that cannot be written out of order. Every blob is read once; one that
// turns out wrong ends the stream with an error after part of it has been written.
func StreamOCI(ctx context.Context, w io.Writer, images []Whole, opts Options) error {
	c, members, err := prepareOCI(ctx, images, opts)
	if err != nil {
		return err
	}
	for _, m := range members {
		h, err := m.head()
		if err != nil {
			return err
		}
		if _, err := w.Write(h); err != nil {
			return err
		}
	}
	for _, b := range c.blobs() {
		if err := b.stream(ctx, w, opts); err != nil {
			return err
		}
	}
	_, err = w.Write(make([]byte, 2*blockSize))
	return err
}

func (b ociBlob) stream(ctx context.Context, w io.Writer, opts Options) error {
	h, err := b.head()
	if err != nil {
		return err
	}
	if _, err := w.Write(h); err != nil {
		return err
	}
	r := image.NewReader(ctx, transfer.ReadAhead(b.source), b.desc)
	defer r.Close()
	var src io.Reader = r
	if opts.Progress != nil {
		opts.Progress(b.desc, 0)
		src = transfer.Counted(r, func(n int64) { opts.Progress(b.desc, n) })
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, src, make([]byte, chunkSize)); err != nil {
		return err
	}
	_, err = w.Write(make([]byte, padded(b.desc.Size)-b.desc.Size))
	return err
}

func prepareOCI(ctx context.Context, images []Whole, opts Options) (*ociContents, []*member, error) {
	c, err := loadOCI(ctx, images)
	if err != nil {
		return nil, nil, err
	}
	if opts.Planned != nil {
		var all []v1.Descriptor
		for _, b := range c.blobs() {
			all = append(all, b.desc)
		}
		opts.Planned(all)
	}
	members, err := c.documents()
	return c, members, err
}

func (c *ociContents) blobs() []ociBlob {
	return append(append([]ociBlob(nil), c.small...), c.large...)
}

func (b ociBlob) head() ([]byte, error) {
	h := header(ociPath(b.desc.Digest), tar.TypeReg, 0o644, time.Unix(0, 0))
	h.Size = b.desc.Size
	m := member{header: h}
	return m.head()
}

func (o Options) reported(d v1.Descriptor) func(int64) {
	if o.Progress == nil {
		return nil
	}
	return func(n int64) { o.Progress(d, n) }
}
