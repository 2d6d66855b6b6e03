package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/retry"
	"drayage/internal/verify"
)

// maxUploads is how often one blob is begun again after a broken connection.
const maxUploads = 5

const octetStream = "application/octet-stream"

// Push stores a blob unless the repository has it. It is sent as one PUT, the form that all
// registries take, and verified while it is sent: a corrupt source breaks the upload.
func (r *Repository) Push(ctx context.Context, d v1.Descriptor, src image.Source, reported func(held int64)) error {
	return r.PushFrom(ctx, d, src, "", reported)
}

// PushFrom is Push for a blob that another repository of the same registry is known to have: from,
// if not empty, is its path there, and the registry is asked to take it over
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#mounting-a-blob-from-another-repository).
func (r *Repository) PushFrom(ctx context.Context, d v1.Descriptor, src image.Source, from string, reported func(held int64)) error {
	return r.tries(ctx, func() error {
		there, err := r.Exists(ctx, d)
		if errors.Is(err, ErrDenied) {
			return err
		}
		if !there && from != "" {
			if there, err = r.Mount(ctx, d, from); err != nil {
				return err
			}
		}
		if there {
			r.forget()
			report(reported, d.Size)
			return nil
		}
		return r.upload(ctx, d, src, reported)
	})
}

// Upload is Push for a blob that the registry does not have, whatever it says.
func (r *Repository) Upload(ctx context.Context, d v1.Descriptor, src image.Source, reported func(held int64)) error {
	return r.tries(ctx, func() error { return r.upload(ctx, d, src, reported) })
}

// upload sends a blob in one request or, where that is found too large, in several.
func (r *Repository) upload(ctx context.Context, d v1.Descriptor, src image.Source, reported func(int64)) error {
	open := func() (io.ReadCloser, error) {
		return &countedReader{ReadCloser: image.NewReader(ctx, src, d), reported: reported}, nil
	}
	rest := func(held int64, at *url.URL) error { return r.sendRest(ctx, at, d, open, held) }
	if resumed, err := r.resume(ctx, rest); resumed {
		return err
	}
	s, err := r.begin(ctx)
	if err != nil {
		return err
	}
	report(reported, 0)
	if !r.host.small.Load() {
		err := r.commit(ctx, s.location, d.Digest, &body{length: d.Size, once: true, open: open})
		if retry.IsTransient(err) {
			err = r.goOn(ctx, s.location, err, rest)
		}
		if !isStatus(err, http.StatusRequestEntityTooLarge) {
			return r.ended(ctx, s.location, err)
		}
		r.cancel(ctx, s.location)
		r.host.small.Store(true)
		if s, err = r.begin(ctx); err != nil {
			return err
		}
	}
	content, _ := open()
	defer content.Close()
	location, err := r.chunks(ctx, s, content)
	if err == nil {
		err = r.commit(ctx, location, d.Digest, nil)
	}
	return r.ended(ctx, s.location, err)
}

// PushStream stores a blob whose digest is known only when all of it has passed by, and returns
// its descriptor. open gives the content from its beginning, again after a broken connection; an error
// from its Read breaks the upload off and is returned. Nothing is stored unless the reader ended with io.EOF.
func (r *Repository) PushStream(ctx context.Context, mediaType string, open func() (io.ReadCloser, error), reported func(sent int64)) (v1.Descriptor, error) {
	var d v1.Descriptor
	err := r.tries(ctx, func() (err error) {
		d, err = r.pushStream(ctx, open, reported)
		if isStatus(err, http.StatusNotFound) && d.Digest != "" {
			// An earlier try of the commit may have been done and its answer lost: then the upload is gone.
			if there, _ := r.Exists(ctx, d); there {
				return nil
			}
			return retry.Transient(err)
		}
		return err
	})
	d.MediaType = mediaType
	return d, err
}

func (r *Repository) pushStream(ctx context.Context, open func() (io.ReadCloser, error), reported func(int64)) (d v1.Descriptor, err error) {
	if r.host.noPatch.Load() {
		return r.pushInOne(ctx, open, reported)
	}
	var location *url.URL
	rest := func(held int64, at *url.URL) (err error) {
		if location, d, err = r.stream(ctx, session{location: at, held: held}, open, reported); err == nil {
			err = r.commitResumed(ctx, location, d.Digest)
		}
		return err
	}
	if resumed, err := r.resume(ctx, rest); resumed {
		return d, err
	}
	s, err := r.begin(ctx)
	if err != nil {
		return d, err
	}
	location, d, err = r.stream(ctx, s, open, reported)
	if r.host.withoutPatch(err) {
		r.forget()
		r.cancel(ctx, s.location)
		return r.pushInOne(ctx, open, reported)
	}
	switch {
	case err == nil:
		err = r.commit(ctx, location, d.Digest, nil)
	case retry.IsTransient(err) && !r.host.small.Load():
		err = r.goOn(ctx, s.location, err, rest)
	}
	return d, r.ended(ctx, s.location, err)
}

// stream sends everything that the registry does not have in one PATCH of unknown length or, where that is found too large, in several of known length.
func (r *Repository) stream(ctx context.Context, s session, open func() (io.ReadCloser, error), reported func(int64)) (*url.URL, v1.Descriptor, error) {
	if !r.host.small.Load() {
		return r.patchStream(ctx, s, open, reported)
	}
	hash := digest.SHA256.Digester()
	counted := &countedReader{reported: reported, hash: hash.Hash()}
	rc, err := behind(counted.opened(open), s.held)
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	defer rc.Close()
	location, err := r.chunks(ctx, s, rc)
	return location, v1.Descriptor{Digest: hash.Digest(), Size: counted.n}, err
}

// patchStream sends everything behind what the registry has in one request.
func (r *Repository) patchStream(ctx context.Context, s session, open func() (io.ReadCloser, error), reported func(int64)) (*url.URL, v1.Descriptor, error) {
	hash := digest.SHA256.Digester()
	counted := &countedReader{reported: reported, hash: hash.Hash()}
	req := r.uploadRequest(http.MethodPatch, s.location, http.StatusAccepted, http.StatusCreated, http.StatusNoContent)
	req.header.Set("Content-Type", octetStream)
	req.body = &body{length: -1, once: true, open: func() (io.ReadCloser, error) { return behind(counted.opened(open), s.held) }}
	resp, err := r.host.do(ctx, req)
	if isStatus(err, http.StatusRequestEntityTooLarge) {
		r.host.small.Store(true)
		err = retry.Transient(err)
	}
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	resp.Body.Close()
	if !counted.ended.Load() {
		return nil, v1.Descriptor{}, retry.Transient(fmt.Errorf("%s: the registry answered before it had the whole blob", r.Name()))
	}
	next, err := resolveLocation(resp)
	return next, v1.Descriptor{Digest: hash.Digest(), Size: counted.n}, err
}

// Mount asks the registry to take a blob over from another of its repositories, from, and reports whether
// it did. A refusal, of which there are many kinds, is no error.
func (r *Repository) Mount(ctx context.Context, d v1.Descriptor, from string) (bool, error) {
	req, err := r.postUpload(ctx)
	if err != nil {
		return false, err
	}
	req.url.RawQuery = url.Values{"mount": {d.Digest.String()}, "from": {from}}.Encode()
	req.tries = 1
	resp, err := r.host.do(ctx, req)
	if err != nil {
		return false, ctx.Err()
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusCreated {
		return true, nil
	}
	if location, err := resolveLocation(resp); err == nil {
		r.cancel(ctx, location) // the session that came instead
	}
	return false, nil
}

func (r *Repository) postUpload(ctx context.Context) (*request, error) {
	req, err := r.request(ctx, http.MethodPost, "/blobs/uploads/", http.StatusAccepted, http.StatusCreated)
	if err != nil {
		return nil, err
	}
	req.body = bytesBody(nil)
	return req, nil
}

// begin opens an upload session.
func (r *Repository) begin(ctx context.Context) (session, error) {
	req, err := r.postUpload(ctx)
	if err != nil {
		return session{}, err
	}
	resp, err := r.host.do(ctx, req)
	if err != nil {
		return session{}, err
	}
	resp.Body.Close()
	s, err := newSession(resp)
	if err == nil {
		r.remember(s.location)
	}
	return s, err
}

// commit closes an upload session with the digest, and b if not nil.
func (r *Repository) commit(ctx context.Context, location *url.URL, d digest.Digest, b *body) error {
	u := *location
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "digest=" + url.QueryEscape(d.String())
	req := r.uploadRequest(http.MethodPut, &u, http.StatusCreated, http.StatusNoContent, http.StatusOK)
	req.header.Set("Content-Type", octetStream)
	if req.body = b; b == nil {
		req.body = bytesBody(nil)
	}
	resp, err := r.host.do(ctx, req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (r *Repository) uploadRequest(method string, u *url.URL, accept ...int) *request {
	return &request{method: method, url: u, header: http.Header{}, scope: scope(r.path, "pull,push"), accept: accept}
}

// cancel tells the registry to drop what it has of a failed upload. Whether it does is its business.
func (r *Repository) cancel(ctx context.Context, location *url.URL) {
	if ctx.Err() != nil {
		return
	}
	req := r.uploadRequest(http.MethodDelete, location, http.StatusNoContent, http.StatusAccepted, http.StatusOK)
	req.renewed = true
	if resp, err := r.host.send(ctx, req); err == nil {
		resp.Body.Close()
	}
}

// tries repeats a whole upload while its failures are transient or its session is gone. Requests without a body have
// been retried below already; what comes here are streams that broke.
func (r *Repository) tries(ctx context.Context, upload func() error) error {
	var backoff retry.Backoff
	var before error
	for n := 1; ; n++ {
		err := upload()
		again := (retry.IsTransient(err) || lost(err)) && !errors.Is(err, verify.ErrMismatch)
		if err != nil && !again && before != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w; it was begun again because of: %w", err, before)
		}
		if !again || n >= maxUploads {
			return err
		}
		before = err
		if serr := retry.Sleep(ctx, backoff.Delay(n)); serr != nil {
			return serr
		}
	}
}

// lost reports whether a registry no longer knows an upload that it has begun, or knows it otherwise than we do.
func lost(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Method == http.MethodPatch || e.Method == http.MethodPut) &&
		(e.Status == http.StatusNotFound || e.Status == http.StatusRequestedRangeNotSatisfiable || e.Code == "BLOB_UPLOAD_UNKNOWN" || e.Code == "BLOB_UPLOAD_INVALID")
}

func report(reported func(int64), n int64) {
	if reported != nil {
		reported(n)
	}
}

// countedReader follows the bytes that are sent.
type countedReader struct {
	io.ReadCloser
	reported func(int64)
	hash     io.Writer // may be nil
	n        int64
	ended    atomic.Bool // all has been read: net/http may read on in its own goroutine after an early answer
}

// opened returns a function that gives out what open gives as the content of c.
func (c *countedReader) opened(open func() (io.ReadCloser, error)) func() (io.ReadCloser, error) {
	return func() (rc io.ReadCloser, err error) {
		c.ReadCloser, err = open()
		return c, err
	}
}

// Read implements io.Reader.
func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n += int64(n)
	if c.hash != nil {
		c.hash.Write(p[:n])
	}
	if n > 0 {
		report(c.reported, c.n)
	}
	if err == io.EOF {
		c.ended.Store(true)
	}
	return n, err
}
