package registry

import (
	"context"
	"errors"
	"net/http"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/verify"
)

// isAnswer reports whether err is what a registry answered, and not a failure of the network or of a login.
func isAnswer(err error) bool {
	return errors.As(err, new(*Error)) && !errors.As(err, new(*loginError))
}

// isRefused reports whether a registry has refused a question. That answers nothing: it may know no HEAD, its
// storage may know none, and a policy may hide what is there. "Not found" is an answer, and one that is too
// busy may answer later.
func isRefused(err error) bool {
	var e *Error
	return isAnswer(err) && errors.As(err, &e) &&
		!errors.Is(err, ErrNotFound) && !e.passing() && !e.RateLimited()
}

// isLimited reports whether err is about too many questions.
func isLimited(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.RateLimited()
}

// look asks what is at a path: with HEAD and, where that is refused, with GET. It reads no body.
func (p *place) look(ctx context.Context, path string) (*http.Response, error) {
	resp, err := p.ask(ctx, http.MethodHead, path, http.StatusOK)
	if isRefused(err) && !isStatus(err, http.StatusUnauthorized) {
		return p.ask(ctx, http.MethodGet, path, http.StatusOK)
	}
	return resp, err
}

// exists reports whether the registry says that it has d. If it refuses to say, the answer is no, and the
// upload finds out what is allowed. A web page is no answer.
func (p *place) exists(ctx context.Context, d v1.Descriptor) (bool, error) {
	resp, err := p.look(ctx, "/blobs/"+d.Digest.String())
	if isAnswer(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	fits := resp.ContentLength < 0 || resp.ContentLength == d.Size
	return fits && !isPage(resp.Header), nil
}

// stat asks how large a blob is.
func (p *place) stat(ctx context.Context, d digest.Digest) (v1.Descriptor, error) {
	if err := verify.Digest(d); err != nil {
		return v1.Descriptor{}, err
	}
	path := "/blobs/" + d.String()
	resp, err := p.look(ctx, path)
	if err == nil && resp.ContentLength < 0 || isAnswer(err) && !isLimited(err) {
		resp, err = p.ask(ctx, http.MethodGet, path, http.StatusOK)
	}
	if err != nil {
		return v1.Descriptor{}, err
	}
	if isPage(resp.Header) {
		return v1.Descriptor{}, refusePage("%s: the answer is a web page: is this address a registry?", p.Name())
	}
	if resp.ContentLength < 0 {
		return v1.Descriptor{}, refuse("%s: the registry does not say how large %s is", p.Name(), d)
	}
	desc := v1.Descriptor{MediaType: "application/octet-stream", Digest: d, Size: resp.ContentLength}
	return desc, verify.Descriptor(desc)
}

// digest asks what a tag or digest stands for. It is empty if there is no such thing. Only where HEAD is
// refused or tells no digest the manifest is read: that may count as a pull.
func (p *place) digest(ctx context.Context, target string) (digest.Digest, error) {
	resp, err := p.ask(ctx, http.MethodHead, "/manifests/"+target, http.StatusOK)
	if err == nil {
		if d := digest.Digest(resp.Header.Get("Docker-Content-Digest")); verify.Digest(d) == nil {
			return d, nil
		}
	}
	if err == nil || isRefused(err) {
		var d v1.Descriptor
		if d, _, err = p.resolve(ctx, target); err == nil {
			return d.Digest, nil
		}
	}
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return "", err
}
