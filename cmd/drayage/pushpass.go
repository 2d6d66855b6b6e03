package main

import (
	"context"
	"errors"

	"drayage/dockerarchive"
	"drayage/upload"
)

// openArchive finds what to push in an archive. One that is a stream, or compressed, is pushed while it is read, if
// its order allows that.
func (p *pusher) openArchive(ctx context.Context, src source) error {
	in, err := p.env.openInput(src, &p.closes)
	if err != nil {
		return err
	}
	r, err := in.inPlace()
	if err != nil {
		return err
	}
	if r != nil {
		return p.openReader(ctx, src, r)
	}
	s := &spooler{env: p.env, c: p.c, in: in, closes: &p.closes}
	pass, err := s.begin(ctx)
	if err != nil {
		return err
	}
	if r := pass.Whole(); r != nil {
		return p.openReader(ctx, src, r)
	}
	why, err := p.openPass(ctx, src, pass)
	if err != nil || why == nil {
		return err
	}
	p.targets, p.names, p.taken, p.here, p.layout, p.belonging = nil, nil, nil, nil, nil, nil // of what is read anew
	if r, err = s.spool(ctx, pass.Rest(), why.Error()); err != nil {
		return err
	}
	return p.openReader(ctx, src, r)
}

func (p *pusher) openReader(ctx context.Context, src source, r *dockerarchive.Reader) error {
	contents, err := r.Contents(ctx)
	if err != nil {
		return err
	}
	return p.use(ctx, src, newLocal(contents))
}

// openPass prepares to push what the stream begins with the description of, or says why that cannot be.
func (p *pusher) openPass(ctx context.Context, src source, pass *dockerarchive.Pass) (why, err error) {
	if p.c.Bool("referrers") {
		return errors.New("--referrers goes back and forth in it"), nil
	}
	contents, err := pass.Plan(ctx)
	if errors.Is(err, dockerarchive.ErrOrder) {
		return err, nil
	}
	if err != nil {
		return nil, err
	}
	err = p.use(ctx, src, newLocal(contents))
	if errors.Is(err, dockerarchive.ErrGone) {
		return err, nil
	}
	if err != nil {
		return nil, err
	}
	if why = upload.InOrder(p.targets, pass); why == nil {
		p.stream = pass
	}
	return why, nil
}
