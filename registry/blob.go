package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/retry"
	"drayage/internal/verify"
)

var _ image.Source = (*Repository)(nil)

// Open returns the raw bytes of a blob or manifest from offset on: length of them, or all if length is
// image.ToEnd. They are not verified. Where the server does not do ranges, Open reads and drops the bytes
// before offset; if a length was given the error is image.ErrNoRanges. The caller closes the reader.
// A foreign layer may come from the addresses in its descriptor, if [Client.Foreign] is set.
func (r *Repository) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	if err := verify.Descriptor(d); err != nil {
		return nil, err
	}
	if image.IsManifest(d.MediaType) {
		_, raw, err := r.Resolve(ctx, d.Digest.String())
		if err != nil {
			return nil, err
		}
		return io.NopCloser(image.Section(bytes.NewReader(raw), int64(len(raw)), offset, length)), nil
	}
	if r.history.absent(d.Digest) {
		return r.openForeign(ctx, d, offset, length)
	}
	if n := len(r.readers); n > 1 && offset == 0 && r.history.again(d.Digest) && r.readers[n-1].digests {
		// Opened from the start once more: what a mirror gave out may not have been what the digest says.
		rc, err := r.readers[n-1].openBlob(ctx, d, offset, length)
		if final(ctx, err) {
			return rc, err
		}
	}
	var rc io.ReadCloser
	err := r.reading(ctx, false, func(ctx context.Context, from *place) (err error) {
		rc, err = from.openBlob(ctx, d, offset, length)
		return err
	})
	r.history.opened(d.Digest, offset, length, err)
	if errors.Is(err, ErrNotFound) && image.IsForeign(d.MediaType) && len(d.URLs) > 0 {
		return r.openForeign(ctx, d, offset, length)
	}
	return rc, err
}

// ExtraStream implements image.ParallelSource. The streams of all blobs from one registry share one bound.
func (r *Repository) ExtraStream() func() {
	select {
	case r.own.host.extraStreams <- struct{}{}:
		return func() { <-r.own.host.extraStreams }
	default:
		return nil
	}
}

func (p *place) openBlob(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	return openPart(d, offset, length, func(part part) (*blobBody, error) {
		req, err := p.request(ctx, http.MethodGet, "/blobs/"+d.Digest.String(), http.StatusOK)
		if err != nil {
			return nil, err
		}
		return p.host.getBlob(ctx, req, d, part)
	})
}

type part struct {
	offset, end int64
	ranged      bool // by a Range header
	bounded     bool // nothing else is wanted
}

// openPart asks with get for a part of d, and for the whole where the server does not do ranges.
func openPart(
	d v1.Descriptor, offset, length int64, get func(part) (*blobBody, error),
) (io.ReadCloser, error) {
	end := d.Size
	if length >= 0 {
		end = min(offset+length, d.Size)
	}
	ranged := offset > 0 || end < d.Size
	b, err := get(part{offset, end, ranged, ranged && length >= 0})
	refused := isRefused(err) && !isStatus(err, http.StatusUnauthorized)
	if ranged && (refused || errors.Is(err, errOtherRange) || errors.Is(err, image.ErrNoRanges)) {
		switch {
		case length >= 0 && isStatus(err, http.StatusForbidden): // another endpoint may give out the range
			return nil, fmt.Errorf("%w: %w", image.ErrNoRanges, err)
		case length >= 0:
			return nil, image.ErrNoRanges // who asks for a part has no use for the whole
		}
		b, err = get(part{offset, end, false, false})
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

var errOtherRange = errors.New("that is another range")

func (h *host) getBlob(ctx context.Context, req *request, d v1.Descriptor, p part) (*blobBody, error) {
	if p.ranged {
		req.header.Set("Range", fmt.Sprintf("bytes=%d-%d", p.offset, p.end-1))
		req.accept = append(req.accept, http.StatusPartialContent)
	}
	resp, err := h.do(ctx, req)
	if err != nil {
		return nil, err
	}
	resp.Body = counting{resp.Body, &h.client.received}
	if err := unpackBlob(resp, d); err != nil {
		return nil, retry.Transient(&NetworkError{Host: req.url.Host, Err: err})
	}
	b := &blobBody{ReadCloser: resp.Body, host: req.url.Host, left: p.end - p.offset, exact: p.end == d.Size}
	if err := b.begin(resp, d, p); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return b, nil
}

// blobBody is the body of a blob or of a part of one. It never ends early without an error: a stream that is
// cut gives a transient error, whatever way it was cut.
type blobBody struct {
	io.ReadCloser
	host  string
	left  int64
	exact bool // the part ends where the blob does: more bytes are an error
}

// begin checks that the answer is what was asked for, and brings the stream to the part's offset.
func (b *blobBody) begin(resp *http.Response, d v1.Descriptor, p part) error {
	if resp.StatusCode == http.StatusPartialContent {
		first, last, total, ok := parseContentRange(resp.Header.Values("Content-Range"))
		if !ok || first != p.offset || last != p.end-1 || total >= 0 && total != d.Size {
			return fmt.Errorf("%s: asked for bytes %d-%d of %d, got %q: %w", redact(resp.Request.URL),
				p.offset, p.end-1, d.Size, resp.Header.Get("Content-Range"), errOtherRange)
		}
		return nil
	}
	if p.bounded {
		return image.ErrNoRanges
	}
	if n := resp.ContentLength; n >= 0 && n != d.Size {
		if isPage(resp.Header) {
			return refusePage("%s: the answer is a web page: is this address a registry?", redact(resp.Request.URL))
		}
		return verify.Mismatchf("%s: the registry has %d bytes where the manifest says %d",
			d.Digest, n, d.Size)
	}
	if _, err := io.CopyN(io.Discard, b.ReadCloser, p.offset); err != nil {
		return retry.Transient(&NetworkError{Host: b.host, Err: err})
	}
	return nil
}

func (b *blobBody) Read(p []byte) (int, error) {
	if b.left == 0 && !b.exact {
		return 0, io.EOF
	}
	if !b.exact && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if err == io.EOF && b.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && err != io.EOF {
		err = retry.Transient(&NetworkError{Host: b.host, Err: err})
	}
	return n, err
}

var contentRange = regexp.MustCompile(`^bytes +(\d+) *- *(\d+)/(\d+|\*)$`)

// parseContentRange reads bytes first-last/total. total may be * and is then -1
// (https://www.rfc-editor.org/rfc/rfc9110#section-14.4).
func parseContentRange(values []string) (first, last, total int64, ok bool) {
	if len(values) != 1 {
		return 0, 0, 0, false
	}
	m := contentRange.FindStringSubmatch(strings.TrimSpace(values[0]))
	if m == nil {
		return 0, 0, 0, false
	}
	first, err := strconv.ParseInt(m[1], 10, 64)
	last, lerr := strconv.ParseInt(m[2], 10, 64)
	var terr error
	if total = -1; m[3] != "*" {
		total, terr = strconv.ParseInt(m[3], 10, 64)
	}
	ok = err == nil && lerr == nil && terr == nil && last >= first && (m[3] == "*" || total > last)
	return first, last, total, ok
}
