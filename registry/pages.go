package registry

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
)

const (
	maxPages = 10_000 // some registries give fifty names at once, whatever they are asked for
	maxEmpty = 500    // pages in a row that name nothing, as where a user may see few of many
	maxNames = 1 << 19
	maxList  = 16 << 20 // bytes: some hundred thousand names, and what they take in memory
	// largePage is how many names are asked for at once where a registry gives few. ECR gives no more.
	largePage = 1000
)

// pager reads a list that may be spread over several answers.
type pager struct {
	what  string // the list, for errors
	host  *host
	first *request
	add   func(http.Header, []byte) (entries int, err error) // takes an answer

	// Of the last answer:
	from, base *url.URL // where it was asked for, and where it came from
	link       string   // to the next page; empty: it is the last
	entries    int

	seen   map[string]bool
	bytes  int
	empty  int  // pages that came last and name nothing
	astray bool // Links lead to wrong addresses: only what they say of the place in the list counts
}

// readNumbered reads a list whose pages may have any size. Many registries give all at once if they are not
// asked for a number, which is much faster. Those that give little are asked for more.
func (l *pager) readNumbered(ctx context.Context) error {
	large := with(l.first.url, url.Values{"n": {strconv.Itoa(largePage)}})
	err := l.page(withOneTry(ctx), l.first.url)
	switch {
	case errors.Is(err, ErrUnavailable), isStatus(err, http.StatusBadRequest):
		err = l.page(ctx, large)
	case err == nil && l.link != "" && l.entries < largePage:
		_ = l.page(ctx, large) // without it there still is the Link
	}
	if err != nil {
		return err
	}
	return l.follow(ctx)
}

// follow reads the pages after the last one. Behind a proxy registries name addresses that lead nowhere.
func (l *pager) follow(ctx context.Context) error {
	for l.link != "" {
		inPlace := l.inPlace()
		to, err := l.next()
		if err == nil && (!l.astray || inPlace == nil) {
			err = l.page(ctx, to)
		}
		if l.astray = l.astray || err != nil; l.astray && inPlace != nil && ctx.Err() == nil {
			if perr := l.page(ctx, inPlace); err == nil || perr == nil {
				err = perr
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// next is where the last answer says that the list goes on. It has to be of the same origin, because it is
// asked for with the same credentials.
func (l *pager) next() (*url.URL, error) {
	next, err := told(l.base, l.link)
	if err != nil {
		return nil, refuse("%s: the Link to the next page is no address", l.what)
	}
	restorePort(next, l.base)
	if !sameOrigin(l.from, next) {
		return nil, refuse("%s: the Link to the next page leads to another host: %s", l.what, redact(next))
	}
	next.Host, next.User, next.Fragment = l.from.Host, nil, ""
	return next, nil
}

// inPlace is the address of the list itself with the place in it that the Link names, or nil.
func (l *pager) inPlace() *url.URL {
	said, err := url.Parse(l.link)
	if err != nil || !said.Query().Has("last") {
		return nil
	}
	return with(l.first.url, url.Values{"last": said.Query()["last"], "n": said.Query()["n"]})
}

// with is u with other values in its query.
func with(u *url.URL, values url.Values) *url.URL {
	changed, query := *u, u.Query()
	maps.Copy(query, values)
	changed.RawQuery = query.Encode()
	return &changed
}

func (l *pager) page(ctx context.Context, at *url.URL) error {
	key := at.RequestURI()
	switch {
	case l.seen[key]:
		return refuse("%s leads in a circle, after %d pages", l.what, len(l.seen))
	case len(l.seen) == maxPages:
		return refuse("%s has more than %d pages", l.what, maxPages)
	case l.empty == maxEmpty:
		return refuse("%s goes on and on, and its last %d pages name nothing", l.what, maxEmpty)
	case l.bytes >= maxList:
		return refuse("%s is larger than %d bytes", l.what, maxList)
	case l.seen == nil:
		l.seen = map[string]bool{}
	}
	l.seen[key] = true
	req := *l.first
	req.url, req.header = at, l.first.header.Clone()
	resp, raw, err := l.host.read(ctx, &req, int64(maxList-l.bytes))
	if err != nil {
		return err
	}
	link := nextLink(resp.Header.Values("Link"))
	l.bytes += len(raw) + len(link) // addresses are kept too
	entries, err := l.add(resp.Header, raw)
	if l.empty++; entries > 0 {
		l.empty = 0
	}
	if err == nil {
		l.from, l.base, l.link, l.entries = at, resp.Request.URL, link, entries
	}
	return err
}
