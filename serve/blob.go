package serve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// blob answers with a blob or with parts of it.
func (x *exchange) blob(*Repository) *problem {
	d, p := x.digest()
	if p != nil {
		return p
	}
	return x.somewhere(codeBlobUnknown, "blob", d, x.blobAt)
}

// somewhere answers with a blob or manifest from the first shelf that has it right.
func (x *exchange) somewhere(
	code, what string, d digest.Digest, answer func(place, v1.Descriptor) (*problem, error),
) *problem {
	what += " " + d.String()
	for tries := len(x.catalog.shelves); ; tries-- {
		desc, at, err := x.catalog.find(d)
		if err != nil {
			return x.lacking(code, what, d, err)
		}
		p, err := answer(at, desc)
		if err == nil {
			return p
		}
		gone := errors.Is(err, context.Canceled) || x.req.Context().Err() != nil
		if !gone {
			err = fmt.Errorf("%s: %w", at.name(), err)
			x.catalog.faults.Store(passKey{at, d}, nil)
		}
		if gone || x.Status != 0 {
			x.Err, x.Cut = err, true
			return nil
		}
		if _, next, _ := x.catalog.find(d); next == at || tries <= 1 {
			return lacking(code, what, err)
		}
	}
}

// blobAt answers with a blob from a shelf. The error is about bytes that are wrong or cannot be read. If the
// answer has not begun, another shelf may do.
func (x *exchange) blobAt(at place, d v1.Descriptor) (*problem, error) {
	if x.unchanged(d.Digest) {
		return nil, nil
	}
	plan, p := x.plan(d)
	if p != nil {
		return p, nil
	}
	if x.req.Method == http.MethodHead {
		x.begin(d.Digest, plan)
		return nil, nil
	}
	ctx := x.req.Context()
	release, err := x.registry.streams.take(ctx, min(d.Size, blockOf(d.Size)))
	if err != nil {
		return nil, err
	}
	defer release()
	src, err := x.registry.open(ctx, at, d)
	if err != nil {
		return nil, err
	}
	defer src.close()
	first := plan.parts[0].start
	if src.ready(first) { // no answer begins before what it begins with is there
		if _, err := src.at(ctx, first, plan.isLast(0, first, src.size())); err != nil {
			return nil, err
		}
	}
	x.begin(d.Digest, plan)
	if !src.ready(first) {
		_ = http.NewResponseController(x.w).Flush() // clients wait longer for bytes than for headers
	}
	return nil, x.send(ctx, src, plan)
}

// begin sends the headers of an answer.
func (x *exchange) begin(d digest.Digest, p *plan) {
	h := x.w.Header()
	maps.Copy(h, p.header)
	h.Set("Docker-Content-Digest", d.String())
	h.Set("ETag", etag(d))
	x.Status = p.status
	x.w.WriteHeader(x.Status)
}

// send sends the parts of a blob.
func (x *exchange) send(ctx context.Context, src blocks, p *plan) error {
	for i, part := range p.parts {
		if err := x.write([]byte(part.before)); err != nil {
			return err
		}
		for at, end := part.start, part.start+part.length; at < end; {
			b, err := src.at(ctx, at, p.isLast(i, at, src.size()))
			if err != nil {
				return err
			}
			b = b[:min(int64(len(b)), end-at)]
			if err := x.write(b); err != nil {
				return err
			}
			at += int64(len(b))
		}
	}
	return x.write([]byte(p.after))
}

// write sends bytes.
func (x *exchange) write(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if patience := x.registry.patience; patience > 0 {
		deadline := http.NewResponseController(x.w)
		_ = deadline.SetWriteDeadline(time.Now().Add(patience)) // fails where there is no connection to cut
		defer deadline.SetWriteDeadline(time.Time{})
	}
	n, err := x.w.Write(p)
	x.Bytes += int64(n)
	if err != nil {
		return fmt.Errorf("%w: %v", context.Canceled, err)
	}
	return nil
}
