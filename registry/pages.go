package registry

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
)

// largePage is how many names are asked for at once where a registry gives few. ECR gives no more.
const largePage = 1000

// pager reads a list that may be spread over several answers.
type pager struct {
	what  string // the list, for errors
	most  int    // answers
	size  int64  // bytes that may come
	host  *host
	first *request
	add   func(http.Header, []byte) (entries int, err error) // takes an answer

	seen   map[string]bool
	bytes  int64
	astray bool // Links lead to wrong addresses: only what they say of the place in the list counts
}

// read reads the pages from the first to the last.
func (l *pager) read(ctx context.Context) error {
	p, err := l.page(ctx, l.first.url)
	if err != nil {
		return err
	}
	return l.follow(ctx, p)
}

// readNumbered is read for lists whose pages may have any size. Many registries give all at once if they are
// not asked for a number, which is much faster. Those that give little are asked for more.
func (l *pager) readNumbered(ctx context.Context) error {
	large := *l.first.url
	query := large.Query()
	query.Set("n", strconv.Itoa(largePage))
	large.RawQuery = query.Encode()
	p, err := l.page(withOneTry(ctx), l.first.url)
	switch {
	case errors.Is(err, ErrUnavailable), isStatus(err, http.StatusBadRequest):
		if p, err = l.page(ctx, &large); err != nil {
			return err
		}
	case err != nil:
		return err
	case p.link != "" && p.entries < largePage:
		if more, err := l.page(ctx, &large); err == nil {
			p = more
		} else if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return l.follow(ctx, p)
}

// follow reads the pages after p.
func (l *pager) follow(ctx context.Context, p page) error {
	for p.link != "" {
		to, err := l.nextPage(p)
		inPlace := l.inPlace(p.link)
		if l.astray && inPlace != nil {
			to, err = inPlace, nil
		}
		next := page{}
		if err == nil {
			next, err = l.page(ctx, to)
		}
		if err != nil && inPlace != nil && !l.astray && ctx.Err() == nil {
			l.astray = true
			var still error
			if next, still = l.page(ctx, inPlace); still == nil {
				err = nil
			}
		}
		if err != nil {
			return err
		}
		p = next
	}
	return nil
}

// inPlace is the address of the list itself with the place in it that a Link names, or nil. Behind a proxy
// registries name addresses that lead nowhere.
func (l *pager) inPlace(link string) *url.URL {
	said, err := url.Parse(link)
	if err != nil || !said.Query().Has("last") {
		return nil
	}
	u := *l.first.url
	query := u.Query()
	for _, name := range []string{"last", "n"} {
		if value := said.Query().Get(name); value != "" {
			query.Set(name, value)
		}
	}
	u.RawQuery = query.Encode()
	return &u
}

// page is an answer that has been read.
type page struct {
	from    *url.URL // where it was asked for
	base    *url.URL // where it came from
	link    string   // to the next page; empty: it is the last
	entries int
}

func (l *pager) page(ctx context.Context, at *url.URL) (page, error) {
	if err := l.visit(at); err != nil {
		return page{}, err
	}
	req := &request{method: l.first.method, url: at, header: l.first.header.Clone(), scope: l.first.scope,
		accept: l.first.accept}
	resp, raw, err := l.host.read(ctx, req, l.size-l.bytes)
	if err != nil {
		return page{}, err
	}
	p := page{from: at, base: resp.Request.URL, link: nextLink(resp.Header.Values("Link"))}
	l.bytes += int64(len(raw) + len(p.link)) // addresses are kept too
	p.entries, err = l.add(resp.Header, raw)
	return p, err
}

func (l *pager) visit(page *url.URL) error {
	switch key := page.RequestURI(); {
	case l.seen[key]:
		return refuse("%s leads in a circle, after %d pages", l.what, len(l.seen))
	case len(l.seen) == l.most:
		return refuse("%s has more than %d pages", l.what, l.most)
	case l.bytes >= l.size:
		return refuse("%s is larger than %d bytes", l.what, l.size)
	default:
		if l.seen == nil {
			l.seen = map[string]bool{}
		}
		l.seen[key] = true
		return nil
	}
}

// nextPage is where an answer says that the list goes on. It has to be of the same origin as the page before,
// because it is asked for with the same credentials.
func (l *pager) nextPage(p page) (*url.URL, error) {
	next, err := told(p.base, p.link)
	if err != nil {
		return nil, refuse("%s: the Link to the next page is no address", l.what)
	}
	restorePort(next, p.base)
	if !sameOrigin(p.from, next) {
		return nil, refuse("%s: the Link to the next page leads to another host: %s", l.what, redact(next))
	}
	next.Host, next.User, next.Fragment = p.from.Host, nil, ""
	return next, nil
}
