package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"drayage/internal/retry"
)

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
	_, err := u.place.host.write(ctx, req)
	if u.stored(ctx, err) {
		u.abort(ctx)
		return nil
	}
	if u.resumed && isStatus(err, http.StatusBadRequest) {
		return retry.Transient(fmt.Errorf("%w: %w", errOtherBytes, err))
	}
	return err
}

// stored reports whether the registry has the blob although it refused to end the upload: another upload was
// faster, or this one has ended and the answer was lost.
func (u *upload) stored(ctx context.Context, err error) bool {
	if u.opts.Always || !isAnswer(err) { // its word that it has the blob is in doubt
		return false
	}
	there, err := u.place.exists(ctx, u.blob)
	return there && err == nil
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
