package registry

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/image"
)

// Event is what [Client.Observe] is told: a [*Retry], a [*Pause], a [*GivenUp], a [Notice] or an [*Exchange].
// String is one line for people. It may hold text from a registry.
type Event interface {
	String() string
	event()
}

// Retry says that something failed and is about to be tried again. A stream of a blob that breaks behind its
// headers is retried too.
type Retry struct {
	Host   string        // where it failed
	Number int           // of the retry, counted from 1
	Most   int           // how many retries in a row there are at most
	Wait   time.Duration // until the retry
	Asked  bool          // the host has asked for the wait, and a [*Pause] tells of it
	Cause  error
	Blob   digest.Digest // whose stream broke; may be empty
}

func (*Retry) event() {}

// String implements [Event].
func (r *Retry) String() string {
	return fmt.Sprintf("retry %d of %d in %s: %s", r.Number, r.Most, shortly(r.Wait), r.Reason())
}

// Reason is the cause in a few words: the status of an answer, or what the network did.
func (r *Retry) Reason() string {
	if e := (*Error)(nil); errors.As(r.Cause, &e) {
		return e.status() + " from " + r.Host
	}
	return fmt.Sprintf("%.500s (%s)", innermost(r.Cause), r.Host)
}

// Status is that of the answer that is the cause, or 0.
func (r *Retry) Status() int {
	if e := (*Error)(nil); errors.As(r.Cause, &e) {
		return e.Status
	}
	return 0
}

// innermost is the cause of a failure without the addresses of the connection, which differ from one to the
// next.
func innermost(err error) error {
	var n *NetworkError
	if errors.As(err, &n) {
		err = n.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err
}

// Pause says that a host has asked for quiet. No request goes there before it is over. A pause that grows is
// told again.
type Pause struct {
	Host  string
	Wait  time.Duration
	Cause *Error
}

func (*Pause) event() {}

// String implements [Event].
func (p *Pause) String() string {
	return fmt.Sprintf("%s asks to wait %s (%s)", p.Host, shortly(p.Wait), p.Cause.status())
}

// GivenUp says that an endpoint could not serve, and which one is asked instead. Each is told once.
type GivenUp struct {
	Host       string
	Next       string // the host that is asked now
	Repository string
	Cause      error
}

func (*GivenUp) event() {}

// String implements [Event].
func (g *GivenUp) String() string {
	return fmt.Sprintf("%s cannot serve %s (%v): trying %s", g.Host, g.Repository, g.Cause, g.Next)
}

// key is the same for failures that differ in nothing that matters to users.
func (g *GivenUp) key() string {
	why := "network"
	if e := (*Error)(nil); errors.As(g.Cause, &e) {
		why = e.status()
	}
	return strings.Join([]string{"given up", g.Host, g.Next, g.Repository, why}, " ")
}

// Notice is what a user should know although no call fails for it, such as a warning that a registry sent.
// Each text is told once.
type Notice struct{ Text string }

func (Notice) event() {}

// String implements [Event].
func (n Notice) String() string { return n.Text }

// shortly writes a wait with one digit behind the point where that matters.
func shortly(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour && d.Round(time.Minute) != time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.0f h", d.Hours())
}

// observe tells of an event.
func (c *Client) observe(e Event) {
	if c.Observe != nil {
		c.Observe(e)
	}
}

// notify tells a notice.
func (c *Client) notify(message string) { c.once(message, Notice{message}) }

// once tells of an event, unless one with the same text has been told.
func (c *Client) once(text string, e Event) {
	c.mu.Lock()
	told := c.told[text]
	c.told[text] = true
	c.mu.Unlock()
	if !told {
		c.observe(e)
	}
}

// retrying tells of a retry, with the host where it failed.
func (h *host) retrying(r *Retry) {
	r.Host = h.name
	var e *Error
	var n *NetworkError
	if errors.As(r.Cause, &e) {
		if at, err := url.Parse(e.URL); err == nil && !h.owns(at) { // behind a redirect, or a token server
			r.Host = cmp.Or(at.Host, h.name)
		}
	} else if errors.As(r.Cause, &n) && (h.base == nil || n.Host != h.base.Host) {
		r.Host = cmp.Or(n.Host, h.name)
	}
	h.client.observe(r)
}

var _ image.RetryObserver = (*Repository)(nil)

// Retrying implements [image.RetryObserver]: it tells Client.Observe.
func (r *Repository) Retrying(x image.Retry) {
	told := &Retry{Number: x.Number, Most: x.Most, Wait: x.Wait, Cause: x.Cause, Blob: x.Blob.Digest}
	r.own.host.retrying(told)
}

// status is the code of an answer and its name.
func (e *Error) status() string { return statusText(e.Status) }

func statusText(code int) string {
	if text := http.StatusText(code); text != "" {
		return fmt.Sprintf("%d %s", code, text)
	}
	return fmt.Sprint(code)
}
