package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/retry"
	"drayage/internal/transfer"
)

// upload is one try to store a blob. It knows where the upload goes on and how much of the content the
// registry has. There are three ways to send content: one PUT, one PATCH and a PUT for its end, or many
// PATCHes and a PUT (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-blobs).
type upload struct {
	place *place
	opts  PushOptions
	blob  v1.Descriptor // of a stream: empty until all content has been sent or read
	// open opens the content at held bytes or before, and says where
	open   func(held int64) (content io.ReadCloser, at int64, err error)
	stream bool // the digest is not known before the content has been sent

	home    *url.URL // where the upload was begun: it is asked and dropped there; nil: there is none
	at      *url.URL // where it goes on
	held    int64    // bytes that the registry has
	resumed bool     // some of them were sent before and may be other bytes
	least   int      // the smallest chunk that the registry takes, except for the last one; 0: any
	content *counted // what was opened last
	cookies *cookies // of this upload; nil: it was begun by another process
}

// run brings the blob into the registry. It goes on with the upload in the journal, if there is one.
func (u *upload) run(ctx context.Context) error {
	host := u.place.host
	if u.stream && host.noPatch.Load() {
		if there, err := u.learn(ctx); there || err != nil {
			return err
		}
	}
	restored, err := u.restore(ctx)
	if err == nil && !restored {
		err = u.begin(ctx)
	}
	if err != nil {
		return err
	}
	err = u.send(ctx)
	if err != nil && u.stream && (host.noPatch.Load() || takesNoPatch(err)) {
		return u.whole(ctx, err)
	}
	if isBroken(err) && (restored || !host.small.Load() && !host.noPatch.Load()) {
		err = u.resume(ctx, err)
	}
	if restored && errors.As(err, new(*Error)) && !errors.Is(err, ErrUnavailable) {
		u.forget()
		err = retry.Transient(err) // a new upload may not be refused
	}
	return u.end(ctx, err)
}

// takesNoPatch reports whether PATCH is refused as such: by the registry, or by something in front of it,
// which says no more than the status.
func takesNoPatch(err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.Method != http.MethodPatch {
		return false
	}
	switch e.Status {
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	case http.StatusBadRequest, http.StatusForbidden, http.StatusLengthRequired:
		return e.Code == ""
	}
	return false
}

// whole sends a stream in one PUT, after a PATCH was refused. If that is taken, it is the way for all
// streams.
func (u *upload) whole(ctx context.Context, refused error) error {
	u.forget()
	u.abort(ctx)
	host := u.place.host
	known := host.noPatch.Swap(true)
	err := u.run(ctx)
	if err == nil || known || isStatus(refused, http.StatusMethodNotAllowed, http.StatusNotImplemented) {
		return err
	}
	host.noPatch.Store(false)
	if isRefused(err) {
		return refused
	}
	return err
}

func (u *upload) begin(ctx context.Context) error {
	req, err := u.place.post(ctx)
	if err != nil {
		return err
	}
	u.cookies = &cookies{}
	req.cookies = u.cookies
	resp, err := u.place.host.write(ctx, req)
	if err != nil {
		return err
	}
	u.held, u.resumed, u.least = 0, false, 0
	if n, err := strconv.Atoi(resp.Header.Get("OCI-Chunk-Min-Length")); err == nil && n > 0 {
		u.least = n
	}
	if u.least > maxChunkSize {
		return refuse("%s wants chunks of at least %d bytes", redact(resp.Request.URL), u.least)
	}
	u.report(0)
	if err := u.moved(resp); err != nil {
		return err
	}
	u.home = u.at
	return nil
}

// moved notes where an answer says that the upload goes on.
func (u *upload) moved(resp *http.Response) error {
	at, err := resolveLocation(resp)
	if err == nil {
		u.at = at
		u.remember()
	}
	return err
}

// send brings the content that the registry does not have, and ends the upload with the digest. Where one
// body for all of it is refused, the content goes in chunks.
func (u *upload) send(ctx context.Context) (err error) {
	host := u.place.host
	chunked := host.small.Load() || u.stream && host.sized.Load()
	switch {
	case !u.stream && u.held > u.blob.Size:
		return retry.Transient(errOtherBytes)
	case !u.stream && u.held == u.blob.Size: // only the end is missing
	case chunked:
		err = u.chunks(ctx)
	case !u.stream && u.held == 0:
		err = u.commit(ctx, &body{length: u.blob.Size, once: true, open: u.opened})
		if host.wantsChunks(err, false) {
			return u.anew(ctx)
		}
		return err
	default:
		err = u.rest(ctx)
	}
	if err == nil {
		if u.stream {
			u.blob.Digest, u.blob.Size = u.content.hash.Digest(), u.content.n
		}
		err = u.commit(ctx, nil)
	}
	switch {
	case chunked || !host.wantsChunks(err, u.stream):
		return err
	case u.held > 0:
		return retry.Transient(err) // the registry knows how far it has come
	}
	return u.anew(ctx)
}

// rest sends everything that the registry does not have in one request.
func (u *upload) rest(ctx context.Context) error {
	b := &body{length: -1, once: true, open: u.opened}
	if !u.stream {
		b.length = u.blob.Size - u.held
	}
	err := u.patch(ctx, b)
	if err == nil && u.stream && !u.content.ended.Load() {
		return fmt.Errorf("%s: %w", u.place.Name(), errUnheard)
	}
	return err
}

func (u *upload) patch(ctx context.Context, b *body) error {
	req := u.request(http.MethodPatch, u.at,
		http.StatusAccepted, http.StatusCreated, http.StatusNoContent, http.StatusOK)
	host := u.place.host
	switch req.body = b; {
	case b.length >= 0:
		req.header.Set("Content-Range", fmt.Sprintf("%d-%d", u.held, u.held+b.length-1))
	case !host.streams.Load(): // a stream may be read once only: whether it may come is asked before
		req.header.Set("Expect", "100-continue")
	}
	resp, err := host.write(ctx, req)
	switch {
	case isStatus(err, http.StatusExpectationFailed) && !host.streams.Swap(true):
		return u.patch(ctx, b)
	case err != nil:
		return err
	case b.length < 0:
		host.streams.Store(true)
	}
	u.held += max(b.length, 0)
	if resp.Header.Get("Location") == "" { // it goes on where it was
		return nil
	}
	return u.moved(resp)
}

func (u *upload) request(method string, to *url.URL, accept ...int) *request {
	req := &request{method: method, url: to, told: u.place.host.base, header: http.Header{}, accept: accept,
		cookies: u.cookies, blob: true}
	req.scope = scope(u.place.path, "pull,push")
	if method == http.MethodPatch || method == http.MethodPut {
		req.header.Set("Content-Type", "application/octet-stream")
	}
	return req
}

// learn reads a stream for its digest, because the registry takes whole blobs only. It reports whether the
// registry has the blob. If not, the upload goes on as that of a blob that is known.
func (u *upload) learn(ctx context.Context) (there bool, err error) {
	rc, _, err := u.open(0)
	if err != nil {
		return false, err
	}
	defer rc.Close()
	hash := digest.SHA256.Digester()
	if u.blob.Size, err = io.Copy(hash.Hash(), transfer.WithContext(ctx, rc)); err != nil {
		return false, err
	}
	u.blob.Digest, u.stream = hash.Digest(), false
	return u.place.exists(ctx, u.blob)
}

// opened opens the content behind what the registry has. What has not been hashed of the bytes before is read
// all the same: they are part of what is verified.
func (u *upload) opened() (io.ReadCloser, error) {
	rc, at, err := u.open(u.held)
	if err != nil {
		return nil, err
	}
	u.content = &counted{ReadCloser: rc, report: u.report, n: at}
	if u.stream {
		u.content.hash = digest.SHA256.Digester()
	}
	if _, err = io.CopyN(io.Discard, u.content, u.held-at); err == nil {
		return u.content, nil
	}
	rc.Close()
	if err == io.EOF {
		return nil, retry.Transient(errOtherBytes) // the registry has more than there is
	}
	return nil, err
}

func (u *upload) report(sent int64) {
	if u.opts.Progress != nil {
		u.opts.Progress(sent)
	}
}

type counted struct {
	io.ReadCloser
	report func(int64)
	hash   digest.Digester // nil: the digest is known
	n      int64
	ended  atomic.Bool // all has been read; net/http may go on reading after an early answer
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n += int64(n)
	if c.hash != nil {
		c.hash.Hash().Write(p[:n])
	}
	if n > 0 {
		c.report(c.n)
	}
	if err == io.EOF {
		c.ended.Store(true)
	}
	return n, err
}
