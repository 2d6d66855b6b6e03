package image

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Fill looks elsewhere for what was left out of the image and its referrers. have returns the source that has
// a blob, or nil. What it finds leaves Absent, and Source reads it there from then on. have is asked once for
// each part, and referrers may have parts of the image: it may be asked for one blob several times.
func (im *Image) Fill(have func(v1.Descriptor) Source) {
	var left []Absent
	found := map[digest.Digest]Source{}
	parallel, _ := AsParallel(im.Source)
	for _, a := range im.Absent {
		src := found[a.Descriptor.Digest]
		if a.Reason == LeftOut && src == nil {
			src = have(a.Descriptor)
		}
		if a.Reason != LeftOut || src == nil {
			left = append(left, a)
			continue
		}
		if found[a.Descriptor.Digest] = src; parallel == nil {
			parallel, _ = AsParallel(src)
		}
	}
	if len(found) > 0 {
		im.Absent, im.Source = left, &filledSource{Source: im.Source, found: found, parallel: parallel}
	}
	for _, r := range im.Referrers {
		r.Fill(have)
	}
}

// filledSource is a source in which some blobs are read from other sources.
type filledSource struct {
	Source
	found map[digest.Digest]Source

	// parallel is the first of all sources that reads one blob by several streams, or nil. What another source
	// then reads in ranges is no slower for it.
	parallel ParallelSource
}

func (f *filledSource) of(d v1.Descriptor) Source {
	if src := f.found[d.Digest]; src != nil {
		return src
	}
	return f.Source
}

// Open implements [Source].
func (f *filledSource) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (
	io.ReadCloser, error) {
	return f.of(d).Open(ctx, d, offset, length)
}

// Retrying implements [RetryObserver]: it tells the source of the blob.
func (f *filledSource) Retrying(r Retry) { TellRetry(f.of(r.Blob), r) }

// ExtraStream implements [ParallelSource], where one of the sources does.
func (f *filledSource) ExtraStream() func() {
	if f.parallel == nil {
		return nil
	}
	return f.parallel.ExtraStream()
}
