package registry

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	maxCookies = 32      // of one upload
	maxCookie  = 4 << 10 // bytes of a name and a value, as for browsers
)

// cookies are what servers have set during one upload: by them alone a balancer may find the server that
// holds the upload. A cookie goes to the origin that set it and to no other, whatever its Domain says
// (https://www.rfc-editor.org/rfc/rfc6265). The methods of nil do nothing.
type cookies struct{ held []cookie }

type cookie struct {
	*http.Cookie
	from *url.URL
}

// keep takes what an answer sets. A cookie that has ended takes the place of the one before and goes too.
func (c *cookies) keep(resp *http.Response) {
	if c == nil {
		return
	}
	for _, k := range resp.Cookies() {
		c.held = slices.DeleteFunc(c.held, func(o cookie) bool {
			return o.Name == k.Name && o.Path == k.Path && sameOrigin(o.from, resp.Request.URL)
		})
		ended := k.MaxAge < 0 || k.MaxAge == 0 && !k.Expires.IsZero() && k.Expires.Before(time.Now())
		if !ended && len(k.Name)+len(k.Value) <= maxCookie && len(c.held) < maxCookies {
			c.held = append(c.held, cookie{k, resp.Request.URL})
		}
	}
}

// put adds to a request what its origin has set for its path.
func (c *cookies) put(req *http.Request) {
	if c == nil {
		return
	}
	for _, k := range c.held {
		path := strings.TrimSuffix(k.Path, "/")
		rest, inside := strings.CutPrefix(req.URL.Path, path)
		inside = inside && (rest == "" || rest[0] == '/') || !strings.HasPrefix(path, "/")
		if inside && sameOrigin(k.from, req.URL) {
			req.AddCookie(&http.Cookie{Name: k.Name, Value: k.Value, Quoted: k.Quoted})
		}
	}
}
