package registry

import (
	"errors"
	"net/url"
)

// sourceError carries an error of a body through net/http, which wraps it with its own.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// bodyError is the error of the body that was being sent, if that is why the request failed.
func bodyError(err error) error {
	var s *sourceError
	if errors.As(err, &s) {
		return s.err
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
