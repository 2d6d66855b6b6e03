package registry

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"drayage/internal/retry"
	"drayage/internal/verify"
)

// Journal keeps the address where one upload goes on, for a later process that sends the same content. Keep
// it secret: who has the address may be able to go on with the upload without credentials. A Journal is used
// by one upload at a time.
type Journal interface {
	// Location is the address, also one that an earlier process remembered, or empty.
	Location() string
	// Remember keeps the address in place of the one before.
	Remember(location string)
	// Forget makes Location empty.
	Forget()
}

const (
	// settling is the time between two questions how far an upload has come: what a killed process has sent
	// may still be on its way.
	settling = 500 * time.Millisecond
	// maxSettling is how often the answer may change. Somebody who still sends then is alive.
	maxSettling = 240
	// progress is how many bytes make earlier breaks of an upload forgotten.
	progress = 1 << 20
)

var (
	errStillGrows = errors.New("somebody else is sending")
	errOtherBytes = errors.New("the registry has kept other bytes of an upload than were sent")
)

// remember keeps where the upload goes on. It keeps no address outside the registry's own origin, so that no
// later process sends credentials elsewhere, and none of a registry that takes whole blobs only.
func (u *upload) remember() {
	if u.opts.Journal == nil {
		return
	}
	if u.at.User != nil || !u.place.host.owns(u.at) || u.place.host.noPatch.Load() {
		u.opts.Journal.Forget()
		return
	}
	u.opts.Journal.Remember(u.at.String())
}

func (u *upload) forget() {
	if u.opts.Journal != nil {
		u.opts.Journal.Forget()
	}
}

// remembered is where an earlier upload goes on, or nil.
func (u *upload) remembered(ctx context.Context) *url.URL {
	if u.opts.Journal == nil || u.place.noPush != nil {
		return nil
	}
	location := u.opts.Journal.Location()
	if location == "" {
		return nil
	}
	base, err := u.place.host.endpoint(ctx)
	if err != nil {
		return nil
	}
	if at, err := url.Parse(location); err == nil && at.User == nil && sameOrigin(base, at) {
		return at
	}
	u.forget()
	return nil
}

// restore makes u the upload in the journal, and reports whether it did. If not, a new upload has to begin.
func (u *upload) restore(ctx context.Context) (bool, error) {
	u.home = u.remembered(ctx)
	if u.at = u.home; u.at == nil {
		return false, nil
	}
	err := u.settle(ctx)
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case errors.As(err, new(*NetworkError)): // the journal stays until another upload has begun
	case err != nil:
		u.forget()
	case u.held == 0:
		u.forget()
		u.abort(ctx)
	default:
		return true, nil
	}
	return false, nil
}

// settle asks how far the upload has come until the answer does not change any more.
func (u *upload) settle(ctx context.Context) error {
	for range maxSettling {
		before := u.held
		err := u.ask(ctx, 2)
		if u.home = u.at; err != nil || u.held == before {
			return err
		}
		if err := retry.Sleep(ctx, settling); err != nil {
			return err
		}
	}
	return errStillGrows
}

// ask asks how many bytes of the upload the registry has, and where it goes on.
func (u *upload) ask(ctx context.Context, tries int) error {
	req := u.request(http.MethodGet, u.home, http.StatusNoContent)
	req.tries = tries
	resp, err := u.place.host.answer(ctx, req)
	if err != nil {
		return err
	}
	if resp.Header.Get("Location") != "" {
		at, err := resolveLocation(resp)
		if err != nil {
			return err
		}
		u.at = at
	}
	u.held, u.resumed = parseHeld(resp.Header.Get("Range")), true
	return nil
}

// resume goes on with an upload that cause has broken off. It asks how far the registry has come and sends
// what follows, as often as that moves on, and returns the last cause
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks).
func (u *upload) resume(ctx context.Context, cause error) error {
	var first, last, best int64
	for stalls := 1; stalls < maxUploads; stalls++ {
		next := &Retry{Number: stalls, Most: maxUploads - 1, Wait: retry.Delay(stalls), Cause: cause}
		next.Blob = u.blob.Digest
		if err := u.place.host.again(ctx, next); err != nil {
			return err
		}
		if err := u.ask(ctx, 0); err != nil || u.held == 0 {
			if !errors.As(err, new(*NetworkError)) && ctx.Err() == nil {
				u.forget()
			}
			return cause
		}
		if last = u.held; first == 0 {
			first = last
		}
		if last-best >= progress {
			best, stalls = last, 0
		}
		cause = u.send(ctx)
		if takesNoPatch(cause) {
			u.forget()
			return retry.Transient(cause) // the next try sends all of it in a PUT
		}
		if !isBroken(cause) {
			return cause
		}
	}
	if last == first { // it is known and does not go on: the next try begins a new one
		u.forget()
	}
	return cause
}

// isBroken reports whether an upload ended with an error after which it can be resumed.
func isBroken(err error) bool { return retry.IsTransient(err) && !errors.Is(err, errOtherBytes) }

// end is called with the outcome of the upload and returns it. It drops what the registry has of a failed
// upload, unless the journal holds it and it can be resumed.
func (u *upload) end(ctx context.Context, err error) error {
	if err == nil {
		u.forget()
		return nil
	}
	resumable := isBroken(err) || errors.As(err, new(*NetworkError))
	if ctx.Err() != nil || resumable && u.remembered(ctx) != nil {
		return err
	}
	u.forget()
	if !isStatus(err, http.StatusNotFound) { // then there is nothing to drop
		u.abort(ctx)
	}
	return err
}

// parseHeld reads how many bytes of an upload a registry has from the Range of its answer. 0-0 means one
// byte, or none, and counts as none.
func parseHeld(v string) int64 {
	_, last, ok := strings.Cut(v, "0-")
	n, err := strconv.ParseInt(last, 10, 64)
	if !ok || err != nil || n <= 0 || n >= verify.MaxBlobSize {
		return 0
	}
	return n + 1
}
