package dockerarchive

import (
	"context"
	"errors"
	"io"
	"slices"

	"drayage/internal/tarfs"
)

// Pass reads an archive from a stream in one go. [NewPass] holds what it begins with, up to the first large
// file. Then either everything is there already ([Pass.Whole]), or [Pass.Plan] says what images there are and
// [Pass.Next] goes through the files that they need, or [Pass.Rest] gives all of the stream to be copied to
// where it can be read at any place. Memory is bounded. A Pass is for one goroutine. Another one may read the
// file that Next has come to.
type Pass struct {
	stream  *tarfs.Stream
	whole   *Reader
	plan    *Reader // what has come, and what is expected
	planned []string
}

// NewPass reads the beginning of the uncompressed archive in r.
func NewPass(ctx context.Context, r io.Reader) (*Pass, error) {
	stream, err := tarfs.NewStream(ctx, r)
	if err != nil {
		return nil, tarError(err)
	}
	p := &Pass{stream: stream}
	if whole := stream.Whole(); whole != nil {
		p.whole, err = newReader(whole, nil)
	}
	return p, err
}

// Whole returns the archive if it is so small that all of it is held, or nil.
func (p *Pass) Whole() *Reader { return p.whole }

// Rest returns the stream from its beginning, with what has been read already. Nothing else may be called
// after it, nor may it be called after a Plan that has succeeded.
func (p *Pass) Rest() io.Reader { return p.stream.Rest() }

// Awaits reports whether a file with that name is still to come. Names are those of SavedLayer.Path; a blob
// is at blobs/ALGORITHM/HEX.
func (p *Pass) Awaits(name string) bool { return p.stream.Awaits(name) }

// Next goes on to the next file that the planned images need and returns its name. The file can be read then,
// once and forwards, until Next is called again. Only as long as it is short can it be read from the
// beginning again. The error is io.EOF when the whole archive has gone by and is what Plan made of its
// beginning. Until then nothing may rely on it.
func (p *Pass) Next(ctx context.Context) (string, error) {
	name, err := p.stream.Next(ctx)
	if err == io.EOF {
		if changed := p.confirm(ctx); changed != nil {
			return "", changed
		}
	}
	return name, err
}

// confirm makes sure that the whole archive holds the planned images.
func (p *Pass) confirm(ctx context.Context) error {
	whole, err := newReader(p.stream.Index(), nil)
	if err != nil {
		return err
	}
	contents, err := whole.Contents(ctx)
	if err != nil {
		return err
	}
	images, err := contents.images()
	if err == nil && !slices.Equal(images, p.planned) {
		err = errors.New("what stands at the end of the archive changes what its images are: give it as a file")
	}
	return err
}
