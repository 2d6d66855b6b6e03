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

const (
	// chunkSize is the size of a chunk, for registries that take no whole blob in one request: proxies have
	// limits, and GHCR's own limit is 4 MiB. A chunk is held in memory, so that it can be sent again.
	chunkSize    = 4 << 20
	minChunkSize = 256 << 10
	maxChunkSize = 64 << 20
	// chunkBudget bounds what all chunks of a client hold together. Where a registry wants large chunks,
	// uploads wait for each other.
	chunkBudget = maxChunkSize
)

// upload is one try to store a blob. It knows where the upload goes on and how much of the content the
// registry has. There are three ways to send content: one PUT, one PATCH and a PUT for its end, or many
// PATCHes and a PUT (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-blobs).
type upload struct {
	place  *place
	opts   PushOptions
	blob   v1.Descriptor // of a stream: empty until all content has been sent or read
	open   func() (io.ReadCloser, error)
	stream bool // the digest is not known before the content has been sent

	home    *url.URL // where the upload was begun: it is asked and dropped there; nil: there is none
	at      *url.URL // where it goes on
	held    int64    // bytes that the registry has
	resumed bool     // some of them were sent before and may be other bytes
	least   int      // the smallest chunk that the registry takes, except for the last one; 0: any
	content *counted // what was opened last
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
	if err != nil && u.stream && host.noPatch.Load() {
		u.forget()
		u.abort(ctx)
		return u.run(ctx)
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

func (u *upload) begin(ctx context.Context) error {
	req, err := u.place.post(ctx)
	if err != nil {
		return err
	}
	resp, err := u.place.host.answer(ctx, req)
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

// send brings the content that the registry does not have, and ends the upload with the digest.
func (u *upload) send(ctx context.Context) (err error) {
	switch {
	case !u.stream && u.held > u.blob.Size:
		return retry.Transient(errOtherBytes)
	case !u.stream && u.held == u.blob.Size: // only the end is missing
	case u.place.host.small.Load():
		err = u.chunks(ctx)
	case !u.stream && u.held == 0:
		return u.whole(ctx)
	default:
		err = u.rest(ctx)
	}
	if err != nil {
		return err
	}
	if u.stream {
		u.blob.Digest, u.blob.Size = u.content.hash.Digest(), u.content.n
	}
	return u.commit(ctx, nil)
}

// whole sends all content and its end in one request. Where that is too large, the content goes in chunks.
func (u *upload) whole(ctx context.Context) error {
	err := u.commit(ctx, &body{length: u.blob.Size, once: true, open: u.opened})
	if !isStatus(err, http.StatusRequestEntityTooLarge) || u.place.host.noPatch.Load() {
		return err
	}
	u.abort(ctx)
	u.place.host.small.Store(true)
	if err := u.begin(ctx); err != nil {
		return err
	}
	return u.send(ctx)
}

// rest sends everything that the registry does not have in one request.
func (u *upload) rest(ctx context.Context) error {
	b := &body{length: -1, once: true, open: u.opened}
	if !u.stream {
		b.length = u.blob.Size - u.held
	}
	err := u.patch(ctx, b)
	switch {
	case isStatus(err, http.StatusRequestEntityTooLarge):
		u.place.host.small.Store(true)
		return retry.Transient(err)
	case err == nil && u.stream && !u.content.ended.Load():
		return retry.Transient(fmt.Errorf("%s: the registry answered before it had the whole blob", u.place.Name()))
	}
	return err
}

// chunks sends everything that the registry does not have in requests of limited size. It makes them
// smaller where something in front of the registry finds even these too large.
func (u *upload) chunks(ctx context.Context) error {
	size := max(chunkSize, u.least)
	release, err := u.place.host.client.reserve(ctx, size)
	if err != nil {
		return err
	}
	defer release()
	if _, err := u.opened(); err != nil {
		return err
	}
	defer u.content.Close()
	buf, have := make([]byte, size), 0
	for {
		n, err := io.ReadFull(u.content, buf[have:max(have, size)])
		if err != nil && !u.content.ended.Load() {
			return err
		}
		if have += n; have == 0 {
			return nil
		}
		n = min(have, size)
		err = u.patch(ctx, bytesBody(buf[:n]))
		switch {
		case isStatus(err, http.StatusRequestEntityTooLarge) && n > minChunkSize && n/2 >= u.least:
			size = n / 2
			continue
		case isStatus(err, http.StatusRequestedRangeNotSatisfiable, http.StatusNotFound):
			return retry.Transient(err) // the registry has come to another place than we think
		case err != nil:
			return err
		}
		have = copy(buf, buf[n:have])
	}
}

func (u *upload) patch(ctx context.Context, b *body) error {
	req := u.request(http.MethodPatch, u.at, http.StatusAccepted, http.StatusCreated, http.StatusNoContent)
	if req.body = b; b.length >= 0 {
		req.header.Set("Content-Range", fmt.Sprintf("%d-%d", u.held, u.held+b.length-1))
	}
	resp, err := u.place.host.answer(ctx, req)
	if err != nil {
		if u.stream && isStatus(err, http.StatusMethodNotAllowed, http.StatusNotImplemented) {
			u.place.host.noPatch.Store(true)
		}
		return err
	}
	u.held += max(b.length, 0)
	return u.moved(resp)
}

// commit ends the upload with the digest and with b, which may be nil. If the registry had other bytes
// than those that were sent, all content has to be sent again.
func (u *upload) commit(ctx context.Context, b *body) error {
	to := *u.at
	if to.RawQuery != "" {
		to.RawQuery += "&"
	}
	to.RawQuery += "digest=" + url.QueryEscape(u.blob.Digest.String())
	req := u.request(http.MethodPut, &to, http.StatusCreated, http.StatusNoContent, http.StatusOK)
	if req.body = b; b == nil {
		req.body = bytesBody(nil)
	}
	_, err := u.place.host.answer(ctx, req)
	if u.resumed && isStatus(err, http.StatusBadRequest) {
		return retry.Transient(fmt.Errorf("%w: %w", errOtherBytes, err))
	}
	return err
}

// abort tells the registry to drop what it has of the upload. The registry may ignore that.
func (u *upload) abort(ctx context.Context) {
	if u.home == nil || ctx.Err() != nil {
		return
	}
	req := u.request(http.MethodDelete, u.home, http.StatusNoContent, http.StatusAccepted, http.StatusOK)
	req.renewed = true
	if resp, err := u.place.host.send(ctx, req); err == nil {
		resp.Body.Close()
	}
	u.home = nil
}

func (u *upload) request(method string, to *url.URL, accept ...int) *request {
	req := &request{method: method, url: to, header: http.Header{}, accept: accept}
	req.scope = scope(u.place.path, "pull,push")
	if method == http.MethodPatch || method == http.MethodPut {
		req.header.Set("Content-Type", "application/octet-stream")
	}
	return req
}

// learn reads a stream for its digest, because the registry takes whole blobs only. It reports whether the
// registry has the blob. If not, the upload goes on as that of a blob that is known.
func (u *upload) learn(ctx context.Context) (there bool, err error) {
	rc, err := u.open()
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

// opened opens the content behind what the registry has. The bytes before are read all the same: they are
// part of what is verified.
func (u *upload) opened() (io.ReadCloser, error) {
	rc, err := u.open()
	if err != nil {
		return nil, err
	}
	u.content = &counted{ReadCloser: rc, report: u.report}
	if u.stream {
		u.content.hash = digest.SHA256.Digester()
	}
	if _, err = io.CopyN(io.Discard, u.content, u.held); err == nil {
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

func (c *Client) reserve(ctx context.Context, size int) (release func(), _ error) {
	if c.chunks.Acquire(ctx, int64(size)) != nil {
		return nil, context.Cause(ctx)
	}
	return func() { c.chunks.Release(int64(size)) }, nil
}
