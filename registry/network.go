package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// NetworkError says that a registry could not be talked to. It matches ErrUnavailable.
type NetworkError struct {
	Host string
	Hint string // what to do about it; may be empty
	Err  error
}

func (e *NetworkError) Error() string {
	s := fmt.Sprintf("cannot talk to %s: %v", e.Host, e.Err)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *NetworkError) Unwrap() error { return e.Err }

// Is implements matching for errors.Is.
func (e *NetworkError) Is(target error) bool { return target == ErrUnavailable }

// networkError says why r was not answered, and whether another try makes sense.
func networkError(r *request, err error) (e error, transient bool) {
	n := &NetworkError{Host: r.url.Host, Err: err}
	var u *url.Error
	if errors.As(err, &u) { // after a redirect the host is another than the one that was asked
		if at, perr := url.Parse(u.URL); perr == nil && at.Host != "" {
			n.Host = at.Host
		}
	}
	for errors.As(n.Err, &u) { // its text repeats the method and the URL, with the query
		n.Err = u.Err
	}
	if errors.As(err, new(*refusal)) {
		return n.Err, false
	}
	n.Hint, transient = hint(err)
	return n, transient
}

// hint is what to do about an error of the network, and whether another try makes sense.
func hint(err error) (text string, transient bool) {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "check the name; behind a proxy set HTTPS_PROXY", false
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, new(tls.RecordHeaderError)):
		return "it does not speak TLS; --plain-http if that is meant to be", false
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "give its CA with --ca-file, or --insecure to go without verification", false
	case errors.As(err, &op) && op.Op == "remote error":
		// The server has broken off the handshake and would do so again. crypto/tls tells why only in its text.
		if strings.Contains(op.Err.Error(), "certificate") {
			return "it wants a client certificate that it knows: put one into certs.d", false
		}
		return "", false
	case errors.As(err, new(*tls.CertificateVerificationError)), errors.Is(err, context.Canceled):
		return "", false
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there", true
	}
	return "", true
}

// ownError carries an error that is not the network's through net/http: of the body that is being sent, or of
// the authorization.
type ownError struct{ err error }

func (e *ownError) Error() string { return e.err.Error() }
func (e *ownError) Unwrap() error { return e.err }
