package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

const (
	maxAddresses = 8 // of one layer are asked; real layers have one
	foreignTries = 3 // for one address, before the next is asked
)

// ForeignError says that a foreign layer is missing, and that Client.Foreign does not allow asking at the
// addresses in its descriptor. It matches ErrNotFound and fs.ErrNotExist.
type ForeignError struct{ Layer v1.Descriptor }

func (e *ForeignError) Error() string {
	var hosts []string
	for _, text := range e.Layer.URLs[:min(len(e.Layer.URLs), maxAddresses)] {
		host := "an invalid address"
		if u, err := url.Parse(text); err == nil && u.Host != "" {
			host = fmt.Sprintf("%q", u.Host)
		}
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	said := fmt.Sprintf("layer %s is foreign and not here", e.Layer.Digest)
	if len(hosts) == 0 {
		return said + ", and its manifest does not say where it is"
	}
	return fmt.Sprintf("%s; its manifest says it is at %s: "+
		"fetch and save --foreign-urls ask there, without credentials", said, strings.Join(hosts, ", "))
}

// Is implements matching for errors.Is.
func (e *ForeignError) Is(target error) bool {
	return target == ErrNotFound || target == fs.ErrNotExist
}

// openForeign asks the addresses in a descriptor, in their order, for a layer that is not in the registry.
func (r *Repository) openForeign(
	ctx context.Context, d v1.Descriptor, offset, length int64,
) (io.ReadCloser, error) {
	c := r.own.host.client
	if c.Foreign == nil || len(d.URLs) == 0 {
		return nil, &ForeignError{d}
	}
	ctx = withReach(ctx, r.reach)
	addresses := d.URLs[:min(len(d.URLs), maxAddresses)]
	first := r.history.address(d.Digest, offset)
	var failed error
	for i := range addresses {
		at := (first + i) % len(addresses)
		rc, host, err := c.openAddress(ctx, addresses[at], d, offset, length)
		if final(ctx, err) {
			if err == nil {
				r.history.openedForeign(d.Digest, at, offset)
				c.notify(fmt.Sprintf("layer %s comes from %q, which its manifest names: %s does not have it",
					d.Digest, host, r.own.registry))
			}
			return rc, err
		}
		if failed == nil {
			failed = err
		}
	}
	return nil, &elsewhereError{fmt.Sprintf("layer %s is not in %s, nor where its manifest says: %v",
		d.Digest, r.own.registry, failed), failed}
}

// elsewhereError matches what its cause matches, but hides it: an *Error is a registry's, and a user would
// look for credentials.
type elsewhereError struct {
	text  string
	cause error
}

func (e *elsewhereError) Error() string        { return e.text }
func (e *elsewhereError) Is(target error) bool { return errors.Is(e.cause, target) }

// openAddress asks one address, as a stranger.
func (c *Client) openAddress(
	ctx context.Context, text string, d v1.Descriptor, offset, length int64,
) (rc io.ReadCloser, host string, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, "", refuse("%q is no address", printable(text, 200))
	}
	if err := checkForeign(u); err != nil {
		return nil, "", err
	}
	rc, err = openPart(d, offset, length, func(part part) (*blobBody, error) {
		req := &request{
			method: http.MethodGet, url: u, header: http.Header{}, accept: []int{http.StatusOK}, tries: foreignTries,
		}
		return c.stranger(u).getBlob(ctx, req, d, part)
	})
	return rc, u.Host, err
}

// stranger is a host that is no registry, even if it has the address of one: nothing is known of how to
// authenticate, and nothing can be learnt.
func (c *Client) stranger(u *url.URL) *host {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := "foreign " + u.Scheme + "://" + u.Host
	if h := c.hosts[key]; h != nil {
		return h
	}
	h := c.newHost(u.Host, c.Foreign)
	h.foreign = true
	c.hosts[key] = h
	return h
}

// checkForeign refuses addresses that no layer is at. A password in an address would be sent.
func checkForeign(u *url.URL) error {
	switch {
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return refuse("%q is no http or https address", printable(redact(u), 200))
	case u.User != nil:
		return refuse("the address of %q holds a user name: refused", u.Host)
	}
	return nil
}

// history remembers how the blobs of a repository were opened. A blob that is opened at its start once more
// may have been wrong: it then comes from another place.
type history struct {
	mu    sync.Mutex
	blobs map[digest.Digest]*past
}

type past struct {
	begun   bool // it was opened at its start, in the repository or where it is foreign
	excused bool // there is another reason to begin once more: there are no ranges
	foreign bool // the repository does not have it, and an address in its descriptor does
	address int  // the number of that address
}

func (h *history) change(d digest.Digest, f func(*past)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.blobs == nil {
		h.blobs = map[digest.Digest]*past{}
	}
	if h.blobs[d] == nil {
		h.blobs[d] = &past{}
	}
	f(h.blobs[d])
}

// again reports whether a blob was opened at its start before, without another reason to begin once more.
func (h *history) again(d digest.Digest) (again bool) {
	h.change(d, func(p *past) { again, p.excused = p.begun && !p.excused, false })
	return again
}

func (h *history) opened(d digest.Digest, offset, length int64, err error) {
	h.change(d, func(p *past) {
		switch {
		case err == nil && offset == 0:
			p.begun = true
		case err == nil && length < 0:
			p.excused = false // it could go on where it was
		case errors.Is(err, image.ErrNoRanges):
			p.excused = true
		}
	})
}

// absent reports whether a blob comes from an address in its descriptor.
func (h *history) absent(d digest.Digest) (absent bool) {
	h.change(d, func(p *past) { absent = p.foreign })
	return absent
}

// address is the number of the address to begin with. A layer that is opened at its start once more may have
// been wrong at the last one.
func (h *history) address(d digest.Digest, offset int64) (first int) {
	h.change(d, func(p *past) {
		if first = p.address; p.foreign && p.begun && offset == 0 {
			first++
		}
	})
	return first
}

func (h *history) openedForeign(d digest.Digest, address int, offset int64) {
	h.change(d, func(p *past) {
		p.begun = p.foreign && p.begun || offset == 0
		p.foreign, p.address = true, address
	})
}
