package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"drayage/internal/certfile"
	"drayage/internal/plaintext"
	"drayage/internal/secrets"
	"drayage/internal/verify"
)

// Errors to match with errors.Is.
var (
	ErrNotFound    = errors.New("not found")            // the registry has no such thing, or hides it
	ErrDenied      = errors.New("access denied")        // credentials are missing, wrong or not enough
	ErrUnavailable = errors.New("registry unavailable") // network failure, rate limit or server error
	ErrIntegrity   = verify.ErrMismatch                 // bytes are not what their digest says
)

const maxErrorBody = 64 << 10 // a registry needs some hundred bytes

// Error is the refusal of a registry. Its status, code and headers decide whether it matches ErrNotFound,
// ErrDenied, ErrUnavailable or none of them.
type Error struct {
	Method  string
	URL     string // without the query, which may hold secrets
	Status  int
	Code    string        // the first code of the body, such as MANIFEST_UNKNOWN
	Message string        // in the registry's words, made safe to print
	Wait    time.Duration // what Retry-After asked for, if the wait was too long to obey
	Quota   *Quota        // what is left of the pulls that are granted; nil: the registry did not say

	page  bool          // the answer was a web page, or leads to another address
	asked bool          // the registry said when to come back:
	after time.Duration // after so long

	paused bool // it has begun a pause that is to be told
}

// Reason is the status and the code, without the rest.
func (e *Error) Reason() string {
	if e.page && e.Status/100 == 2 {
		return e.status() + ", but a web page"
	}
	return strings.TrimSuffix(e.status()+" "+e.Code, " ")
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s", e.Method, e.URL, e.status())
	if e.Code != "" {
		b.WriteString(": " + e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Wait > 0 {
		fmt.Fprintf(&b, " (the registry asks to wait %s)", shortly(e.Wait))
	}
	if q := e.Quota; q != nil {
		fmt.Fprintf(&b, " (%d of %d pulls left", q.Remaining, q.Limit)
		if q.Window > 0 {
			fmt.Fprintf(&b, ", counted over %s", q.Window)
		}
		b.WriteString(")")
	}
	return b.String()
}

// Is implements matching for errors.Is.
func (e *Error) Is(target error) bool {
	switch {
	case e.Status == http.StatusNotFound && !e.RateLimited():
		return target == ErrNotFound
	case e.Status >= 500, e.passing(), e.RateLimited(), e.WantsTLS(), e.page && e.Status < 400:
		return target == ErrUnavailable
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden,
		e.Status == http.StatusProxyAuthRequired:
		return target == ErrDenied
	}
	return false
}

// WantsTLS reports whether a server has been spoken to without TLS and says that it wants TLS.
func (e *Error) WantsTLS() bool {
	return e.Status == http.StatusBadRequest && strings.HasPrefix(e.URL, "http://") &&
		strings.Contains(e.Message, "HTTPS")
}

// newError reads the body of an answer, closes it, and returns what the registry said.
func newError(resp *http.Response) *Error {
	defer resp.Body.Close()
	e := &Error{Method: resp.Request.Method, URL: redact(resp.Request.URL), Status: resp.StatusCode}
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what came of it may say enough
	text := plaintext.UTF8(unpacked(resp.Header, raw, maxErrorBody))
	safe := secrets.Cover(string(text), sent(resp.Request)...)
	e.Code, e.Message = parseErrorBody(resp.Header.Get("Content-Type"), []byte(safe))
	e.page = isPage(resp.Header)
	e.readWait(resp.Header)
	if e.RateLimited() {
		e.Quota = parseQuota(resp.Header)
	}
	if to := resp.Header.Get("Location"); to != "" && resp.StatusCode/100 == 3 {
		e.Message, e.page = redirection(resp.Request.URL, to), true
	}
	return e
}

// redirection describes a redirect that is not followed: it would turn a write into a read.
func redirection(from *url.URL, to string) string {
	u, err := told(from, to)
	if err != nil {
		return "it redirects to something that is no address"
	}
	return fmt.Sprintf("it redirects to %q; only 307 and 308 redirect a write", redact(u))
}

// redact is a URL that is fit for messages: presigned queries and user information are secrets.
func redact(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func isStatus(err error, statuses ...int) bool {
	var e *Error
	return errors.As(err, &e) && slices.Contains(statuses, e.Status)
}

// IsManifestRefused reports whether a registry did not take a manifest because of its kind: some registries
// take only the media types of OCI, some only those of Docker.
func IsManifestRefused(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Status == http.StatusUnsupportedMediaType ||
		e.Status == http.StatusBadRequest && (e.Code == "MANIFEST_INVALID" || e.Code == "UNSUPPORTED"))
}

// IsBlobUnknown reports whether a registry did not take a manifest because it does not have something that
// the manifest refers to. It may have said before that it has it.
func IsBlobUnknown(err error) bool {
	var e *Error
	return errors.As(err, &e) && begins(e.Code, absentCodes)
}

// refusal is an answer that drayage does not act on. To ask again would not change it.
type refusal struct {
	reason string
	beside bool // something else than the registry has answered, such as a web page
}

func (r *refusal) Error() string { return r.reason }

// Is implements matching for errors.Is.
func (r *refusal) Is(target error) bool { return r.beside && target == ErrUnavailable }

func refuse(format string, args ...any) error { return &refusal{reason: fmt.Sprintf(format, args...)} }

// refusePage refuses what no registry answers: a web page, such as that of a login portal, or no token.
func refusePage(format string, args ...any) error {
	return &refusal{reason: fmt.Sprintf(format, args...), beside: true}
}

// NetworkError says that a registry could not be talked to. It matches ErrUnavailable.
type NetworkError struct {
	Host string
	Hint string // what to do about it; may be empty
	Err  error
}

func (e *NetworkError) Error() string {
	s := fmt.Sprintf("cannot talk to %s: %.500s", e.Host, e.Err)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *NetworkError) Unwrap() error { return e.Err }

// Is implements matching for errors.Is.
func (e *NetworkError) Is(target error) bool { return target == ErrUnavailable }

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

// proxyError says that a proxy opens no connection to the registry.
type proxyError struct {
	proxy  string
	status int
}

func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy %s answers %d %s", e.proxy, e.status, http.StatusText(e.status))
}

// hint is what to do about it, and whether another try makes sense.
func (e *proxyError) hint() (text string, transient bool) {
	switch {
	case e.status == http.StatusProxyAuthRequired:
		return "put the right user name and password before the host in HTTPS_PROXY", false
	case e.status >= 500:
		return "check the name of the registry, or ask those who run the proxy", true
	}
	return "ask those who run it to let this host through; NO_PROXY names hosts to reach without it", false
}

// hint is what to do about an error of the network, and whether another try makes sense.
func hint(err error) (text string, transient bool) {
	var dns *net.DNSError
	var op *net.OpError
	var host x509.HostnameError
	var proxy *proxyError
	switch {
	case errors.As(err, &proxy):
		return proxy.hint()
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "this is the proxy of HTTPS_PROXY or ALL_PROXY; NO_PROXY names hosts to reach without it",
			!errors.As(err, &dns) || !dns.IsNotFound
	case errors.As(err, &dns) && dns.IsNotFound:
		return "check the name; behind a proxy set HTTPS_PROXY", false
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, new(tls.RecordHeaderError)):
		return "it does not speak TLS; --plain-http if that is meant to be", false
	case errors.As(err, &op) && op.Op == "remote error" && strings.Contains(op.Err.Error(), "certificate"):
		return "it wants a client certificate that it knows: put one into certs.d", false
	case certfile.Hint(err) != "":
		return certfile.Hint(err), false
	case errors.As(err, &host) && len(host.Certificate.DNSNames) > 0:
		return fmt.Sprintf("it is for %.200q: call the registry by such a name", host.Certificate.DNSNames), false
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "give its CA with --ca-file, or --insecure to go without verification", false
	case op != nil && op.Op == "remote error", // the server broke off the handshake and would do so again
		errors.As(err, new(*tls.CertificateVerificationError)), errors.Is(err, context.Canceled):
		return "", false
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there", true
	}
	return "", true
}

// ownError carries an error that is not the network's through net/http: of the body that is being sent, or of
// the authorization.
type ownError struct{ error }

func (e *ownError) Unwrap() error { return e.error }
