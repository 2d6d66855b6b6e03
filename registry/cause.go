package registry

import (
	"errors"
	"net/url"
)

// ownError carries an error that is not the network's through net/http and the retrying around it: of the body that is
// being sent, or of what it took to be authorized.
type ownError struct{ err error }

func (e *ownError) Error() string { return e.err.Error() }
func (e *ownError) Unwrap() error { return e.err }

// own is the error that err carries, if that is why the request failed.
func own(err error) error {
	var o *ownError
	if errors.As(err, &o) {
		return o.err
	}
	return nil
}

// innermost drops net/http's wrapping, whose text repeats method and URL, query included.
func innermost(err error) error {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	return err
}

// failedHost is the host that a request failed at, which after a redirect is another than it was sent to.
func failedHost(r *request, err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		if at, perr := url.Parse(u.URL); perr == nil && at.Host != "" {
			return at.Host
		}
	}
	return r.url.Host
}
