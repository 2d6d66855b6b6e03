package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Exchange is one request on the wire and what came of it. Redirects, repetitions and questions for tokens
// are exchanges of their own. It is told when its answer has been read or dropped.
type Exchange struct {
	Method   string
	URL      string // without a password, and without the values of a query that may be secrets
	Attempt  int    // how often the request has been sent, this time included
	Status   int    // 0: there was no answer
	Err      error  // why there was no answer, or why the answer broke off
	Sent     int64  // bytes of the request's body
	Received int64  // bytes of the answer's body

	Headers time.Duration // until the headers of the answer were there, or the error
	Took    time.Duration // until the answer was read or dropped
}

func (*Exchange) event() {}

// String implements [Event].
func (x *Exchange) String() string {
	return fmt.Sprintf("%s %s: %s, %d bytes sent, %d received, %s",
		x.Method, x.URL, x.Outcome(), x.Sent, x.Received, x.Took.Round(time.Millisecond))
}

// Outcome is the status of the answer, and what went wrong, in a few words.
func (x *Exchange) Outcome() string {
	what := "no answer"
	if x.Status != 0 {
		what = statusText(x.Status)
	}
	if x.Err != nil {
		what += fmt.Sprintf(" (%.500s)", innermost(x.Err))
	}
	return what
}

// shownQuery are the parameters of a query that are no secrets and tell what a request is about. The values
// of all others are masked: presigned addresses and the state of an upload are in them.
var shownQuery = []string{"digest", "from", "last", "mount", "n", "ns", "scope", "service", "artifactType"}

const masked = "***"

// masking is a URL without what may be a secret.
func masking(u *url.URL) string {
	text := redact(u)
	if u.RawQuery == "" {
		return text
	}
	var parts []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		name, value, _ := strings.Cut(part, "=")
		switch {
		case slices.Contains(shownQuery, name):
			parts = append(parts, part)
		case value != "" && value[0] != '=' && validName(name, "-.", 32):
			parts = append(parts, name+"="+masked)
		default: // a token without a name, perhaps
			parts = append(parts, masked)
		}
	}
	return text + "?" + strings.Join(parts, "&")
}

// roundTrip sends a request. It tells Client.Observe of it when its answer has been read or dropped.
func (h *host) roundTrip(req *http.Request, attempt int) (*http.Response, error) {
	if h.client.Observe == nil {
		return h.transport.RoundTrip(req)
	}
	x := &exchange{client: h.client, began: time.Now(), ctx: req.Context()}
	x.Method, x.URL, x.Attempt = req.Method, masking(req.URL), max(attempt, 1)
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = &sentBody{req.Body, &x.sent}
	}
	resp, err := h.transport.RoundTrip(req)
	x.Headers = time.Since(x.began)
	if err != nil {
		x.end(err)
		return nil, err
	}
	x.Status = resp.StatusCode
	resp.Body = &receivedBody{resp.Body, x}
	return resp, nil
}

// exchange is an Exchange that has not ended.
type exchange struct {
	Exchange
	client   *Client
	ctx      context.Context
	began    time.Time
	sent     atomic.Int64 // net/http may go on reading after an early answer
	received atomic.Int64
	ended    sync.Once
}

// end tells of the exchange, once.
func (x *exchange) end(err error) {
	x.ended.Do(func() {
		if cause := context.Cause(x.ctx); err != nil && cause != nil {
			err = cause
		}
		told := x.Exchange
		told.Err, told.Sent, told.Received, told.Took = err, x.sent.Load(), x.received.Load(), time.Since(x.began)
		x.client.observe(&told)
	})
}

type sentBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

type receivedBody struct {
	io.ReadCloser
	x *exchange
}

func (b *receivedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.x.received.Add(int64(n))
	switch err {
	case nil:
	case io.EOF:
		b.x.end(nil)
	default:
		b.x.end(err)
	}
	return n, err
}

func (b *receivedBody) Close() error {
	err := b.ReadCloser.Close()
	b.x.end(nil)
	return err
}
