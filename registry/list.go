package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"drayage/internal/plaintext"
)

// Limits on lists of names. The busiest repositories have some tens of thousands of tags.
const (
	maxNamePages = 10_000   // some registries give fifty at once, whatever they are asked for
	maxNameBytes = 16 << 20 // some hundred thousand names, and what they take in memory
)

// validName reports whether a name is made of the characters of tags, and more, and is not too long.
func validName(name, more string, longest int) bool {
	for i := range len(name) {
		c := name[i]
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
		if !plain && (i == 0 || strings.IndexByte(more, c) < 0) {
			return false
		}
	}
	return name != "" && len(name) <= longest
}

func validTag(name string) bool { return validName(name, ".-", 128) }

func validRepository(name string) bool { return validName(name, ".-/", 255) }

// Tags lists the tags of the repository in the registry's order, each once. It leaves out what is no valid
// tag, and tells Client.Notify. It does not ask mirrors: they need not know all tags. If the list breaks off,
// Tags returns what came before together with the error.
func (r *Repository) Tags(ctx context.Context) ([]string, error) {
	req, err := r.own.request(ctx, http.MethodGet, "/tags/list", http.StatusOK)
	if err != nil {
		return nil, err
	}
	l := nameList{what: r.Name() + ": the list of tags", kind: "tags", valid: validTag}
	return l.read(ctx, r.own.host, req)
}

// Repositories lists the repositories of a registry in its order, each once, as far as the registry shows
// them to this user. Not all registries offer such a list: the error then matches ErrNotFound or ErrDenied.
// If the list breaks off, Repositories returns what came before together with the error.
func (c *Client) Repositories(ctx context.Context, registry string) ([]string, error) {
	p := c.Repository(Reference{Registry: registry}).own
	if p.noRead != nil {
		return nil, p.noRead
	}
	u, err := p.host.url(ctx, "_catalog")
	if err != nil {
		return nil, err
	}
	req := &request{method: http.MethodGet, url: u, header: http.Header{}, scope: catalogScope,
		accept: []int{http.StatusOK}}
	l := nameList{what: registry + ": the list of repositories", kind: "repositories", valid: validRepository}
	names, err := l.read(ctx, p.host, req)
	var refused *Error
	switch {
	case len(names) > 0 || !errors.As(err, &refused):
		return names, err
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrDenied):
		return nil, fmt.Errorf("the registry does not list its repositories, or not to you: %w", err)
	case isStatus(err, http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusBadRequest):
		return nil, fmt.Errorf("%w: the registry does not list its repositories: %v", ErrNotFound, err)
	}
	return nil, err
}

// nameList is a list of tags or repositories.
type nameList struct {
	what         string
	kind         string // tags or repositories
	valid        func(string) bool
	names        []string
	seen         map[string]bool
	invalid      int
	firstInvalid string
}

func (l *nameList) read(ctx context.Context, h *host, req *request) ([]string, error) {
	l.seen = map[string]bool{}
	pages := pager{what: l.what, most: maxNamePages, size: maxNameBytes, host: h, first: req, add: l.add}
	err := pages.readNumbered(ctx)
	if l.invalid > 0 {
		h.client.notify(fmt.Sprintf("%s: left out are %d %s that are none, the first is %q",
			l.what, l.invalid, l.kind, printable(l.firstInvalid, 100)))
	}
	return l.names, err
}

func (l *nameList) add(h http.Header, raw []byte) (entries int, _ error) {
	if mediaTypeOf(h) == "text/html" {
		return 0, refuse("%s: the answer is a web page: is this address a registry?", l.what)
	}
	var page struct {
		Tags         []string `json:"tags"`
		Repositories []string `json:"repositories"`
	}
	if err := json.Unmarshal(plaintext.UTF8(raw), &page); err != nil {
		return 0, refuse("%s is not valid JSON: %v", l.what, err)
	}
	names := page.Tags
	if l.kind == "repositories" {
		names = page.Repositories
	}
	for _, name := range names {
		switch {
		case !l.valid(name):
			if l.invalid++; l.invalid == 1 {
				l.firstInvalid = name
			}
		case !l.seen[name]:
			l.seen[name] = true
			l.names = append(l.names, name)
		}
	}
	return len(names), nil
}
