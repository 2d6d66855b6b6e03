package registry

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"drayage/internal/retry"
)

// Memory keeps the address at which one upload goes on, for a process that comes after this one. Whoever has the address may be able to go on with
// the upload without credentials. A Memory is used by one upload at a time.
type Memory interface {
	Location() string // empty if nothing is remembered
	Remember(location string)
	Forget()
}

// Remembering returns the repository for one upload, which goes on where m says that an earlier one of the same bytes has come to, if the registry
// has kept them. If the upload breaks off, m holds what the next can go on with.
func (r *Repository) Remembering(m Memory) *Repository {
	remembering := *r
	remembering.memory = m
	return &remembering
}

const (
	// settling is the time between two questions how far an upload has come: what a killed process has sent may still be on its way.
	settling = 500 * time.Millisecond
	// maxSettling is how often the answer may be another than before. Who still sends then is alive.
	maxSettling = 240
)

var errStillGrows = errors.New("somebody else is sending")

// remember keeps where an upload goes on. Only an address of the registry's own origin is kept, so that no later process sends credentials elsewhere.
func (r *Repository) remember(location *url.URL) {
	if r.memory == nil {
		return
	}
	if location.User != nil || !sameOrigin(r.host.base, location) {
		r.memory.Forget()
		return
	}
	r.memory.Remember(location.String())
}

func (r *Repository) forget() {
	if r.memory != nil {
		r.memory.Forget()
	}
}

// remembered is where an earlier upload goes on, or nil.
func (r *Repository) remembered(ctx context.Context) *url.URL {
	if r.memory == nil || r.err != nil || r.noPush != nil {
		return nil
	}
	location := r.memory.Location()
	if location == "" {
		return nil
	}
	base, err := r.host.endpoint(ctx)
	if err != nil {
		return nil
	}
	if u, err := url.Parse(location); err == nil && u.User == nil && sameOrigin(base, u) {
		return u
	}
	r.memory.Forget()
	return nil
}

// resume goes on with the upload that is remembered: send brings what the registry does not have of it. It reports false if the upload has to begin
// anew. An error that is transient leaves to the next try whether to go on or to begin.
func (r *Repository) resume(ctx context.Context, send func(held int64, at *url.URL) error) (bool, error) {
	location := r.remembered(ctx)
	if location == nil {
		return false, nil
	}
	held, at, err := r.settled(ctx, location)
	switch {
	case ctx.Err() != nil:
		return true, context.Cause(ctx)
	case errors.As(err, new(*NetworkError)):
		return false, nil // what is remembered stays until another upload has begun
	case err != nil:
		r.memory.Forget()
		return false, nil
	case held <= 0:
		r.memory.Forget()
		r.cancel(ctx, at)
		return false, nil
	}
	if err = send(held, at); isBroken(err) {
		err = r.goOn(ctx, at, err, send)
	}
	if errors.As(err, new(*Error)) && !errors.Is(err, ErrUnavailable) {
		r.memory.Forget()
		err = retry.Transient(err) // a new upload may not be refused
	}
	return true, r.ended(ctx, at, err)
}

// settled asks how much of an upload the registry has until that has ceased to grow.
func (r *Repository) settled(ctx context.Context, location *url.URL) (held int64, at *url.URL, err error) {
	at = location
	for range maxSettling {
		before := held
		if held, at, err = r.uploaded(ctx, at, 2); err != nil || held == before {
			return held, at, err
		}
		if err = retry.Sleep(ctx, settling); err != nil {
			return 0, nil, err
		}
	}
	return 0, nil, errStillGrows
}

// isBroken reports whether an upload ended with an error after which it can go on.
func isBroken(err error) bool { return retry.IsTransient(err) && !errors.Is(err, errOtherBytes) }

// ended drops what the registry has of an upload that has failed, unless it is remembered and can go on. It returns err.
func (r *Repository) ended(ctx context.Context, at *url.URL, err error) error {
	if err == nil {
		r.forget()
		return nil
	}
	away := isBroken(err) || errors.As(err, new(*NetworkError))
	if ctx.Err() != nil || away && r.remembered(ctx) != nil {
		return err
	}
	r.forget()
	if !isStatus(err, http.StatusNotFound) { // it knows of none
		r.cancel(ctx, at)
	}
	return err
}
