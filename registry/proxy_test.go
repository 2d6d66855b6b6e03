package registry

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// A proxy that opens no connection is named, with what to do. Only a failure that may pass is tried again.
func TestProxyThatRefuses(t *testing.T) {
	for _, c := range []struct {
		status int
		want   string
		again  bool
	}{
		{407, "answers 407 Proxy Authentication Required (put the right user name", false},
		{403, "answers 403 Forbidden (ask those who run it", false},
		{502, "answers 502 Bad Gateway (check the name of the registry", true},
	} {
		inBubble(t, func(w *world) {
			var asked atomic.Int32
			w.serve("proxy.test:3128", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				rw.WriteHeader(c.status)
			}))
			err := w.through("http://ann:secret@proxy.test:3128")
			if !errors.Is(err, ErrUnavailable) {
				w.Errorf("%d: kind of %v", c.status, err)
			}
			if text := err.Error(); !strings.Contains(text, "the proxy proxy.test:3128 "+c.want) ||
				strings.Contains(text, "secret") {
				w.Errorf("%d: %v", c.status, err)
			}
			if n := asked.Load(); n > 1 != c.again {
				w.Errorf("%d: asked %d times", c.status, n)
			}
		})
	}
}

func TestProxyThatIsNotThere(t *testing.T) {
	inBubble(t, func(w *world) {
		if err := w.through("http://proxy.test:3128"); err == nil ||
			!strings.Contains(err.Error(), "this is the proxy of HTTPS_PROXY") {
			w.Error(err)
		}
	})
}

// through asks the registry through a proxy.
func (w *world) through(proxy string) error {
	at, err := url.Parse(proxy)
	if err != nil {
		w.Fatal(err)
	}
	transport := w.transport(nil)
	transport.Proxy = http.ProxyURL(at)
	w.client.Transport, w.client.PlainHTTP = transport, false
	_, _, err = w.repo("app").Resolve(w.Context(), "1")
	return err
}
