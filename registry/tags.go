package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
)

// Limits on lists of tags. The busiest repositories have some tens of thousands of them.
const (
	tagPage     = "1000"   // ECR refuses to give more at once
	maxTagPages = 10_000   // some registries give fifty at once, whatever is asked for
	maxTagBytes = 16 << 20 // some hundred thousand tags, and what they take in memory
)

var tagPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

// Tags lists the tags of the repository in the registry's order, each once. What is no valid tag is left out,
// and Client.Notify told. Mirrors are not asked: they need not know of all.
func (r *Repository) Tags(ctx context.Context) ([]string, error) {
	req, err := r.own.request(ctx, http.MethodGet, "/tags/list", http.StatusOK)
	if err != nil {
		return nil, err
	}
	query := req.url.Query()
	query.Set("n", tagPage)
	req.url.RawQuery = query.Encode()
	l := tagList{left: maxTagBytes, seen: map[string]bool{}, pages: map[string]bool{}}
	for req.url != nil {
		if err := l.visit(req.url); err != nil {
			return nil, fmt.Errorf("%s: %w", r.Name(), err)
		}
		if err := r.own.tagPage(ctx, req, &l); err != nil {
			return nil, err
		}
	}
	if l.invalid > 0 {
		r.own.host.client.notify(fmt.Sprintf("%s: left out are %d tags that are none, the first is %q", r.Name(), l.invalid, printable(l.firstInvalid, 100)))
	}
	return l.tags, nil
}

// tagPage reads the page at req.url into l and turns req into the request for the next one; its url is nil
// behind the last.
func (p *place) tagPage(ctx context.Context, req *request, l *tagList) error {
	resp, raw, err := p.host.read(ctx, req, l.left)
	if err != nil {
		return err
	}
	if mediaTypeOf(resp.Header) == "text/html" {
		return refuse("%s: the answer is a web page, not a list of tags: is this address a registry?", p.Name())
	}
	var page struct {
		Tags []string `json:"tags"`
	}
	if err := json.Unmarshal(raw, &page); err != nil {
		return refuse("%s: the list of tags is not valid JSON: %v", p.Name(), err)
	}
	l.left -= int64(len(raw) + len(resp.Header.Get("Link"))) // addresses are kept too
	l.add(page.Tags)
	next, err := nextPage(req.url, resp)
	if err != nil {
		return fmt.Errorf("%s: %w", p.Name(), err)
	}
	*req = request{method: req.method, url: next, header: http.Header{}, scope: req.scope, accept: req.accept}
	return nil
}

// nextPage is where an answer says that the list goes on, or nil. It has to be of the same origin as the first page, because
// it is asked for with the same credentials.
func nextPage(from *url.URL, resp *http.Response) (*url.URL, error) {
	link := nextLink(resp.Header.Values("Link"))
	if link == "" {
		return nil, nil
	}
	next, err := resp.Request.URL.Parse(link)
	if err != nil {
		return nil, refuse("the Link to the next page is no address")
	}
	unproxy(next, from)
	if !sameOrigin(from, next) {
		return nil, refuse("the Link to the next page leads to another host: %s", redact(next))
	}
	next.Host, next.User, next.Fragment = from.Host, nil, ""
	return next, nil
}

// tagList gathers the pages of a list.
type tagList struct {
	tags         []string
	seen         map[string]bool
	pages        map[string]bool // addresses that have been asked
	left         int64           // bytes that may still come
	invalid      int
	firstInvalid string
}

func (l *tagList) visit(page *url.URL) error {
	switch key := page.RequestURI(); {
	case l.pages[key]:
		return refuse("the list of tags leads in a circle, after %d pages", len(l.pages))
	case len(l.pages) == maxTagPages:
		return refuse("the list of tags has more than %d pages", maxTagPages)
	case l.left <= 0:
		return refuse("the list of tags is larger than %d bytes", maxTagBytes)
	default:
		l.pages[key] = true
	}
	return nil
}

func (l *tagList) add(tags []string) {
	for _, t := range tags {
		switch {
		case !tagPattern.MatchString(t):
			if l.invalid++; l.invalid == 1 {
				l.firstInvalid = t
			}
		case !l.seen[t]:
			l.seen[t] = true
			l.tags = append(l.tags, t)
		}
	}
}
