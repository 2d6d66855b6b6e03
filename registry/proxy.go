package registry

import (
	"net/http"
	"net/url"
	"os"
	"sync"

	"golang.org/x/net/http/httpproxy"
)

// allProxy is what ALL_PROXY, which net/http does not read, means together with NO_PROXY.
var allProxy = sync.OnceValue(func() func(*url.URL) (*url.URL, error) {
	all := os.Getenv("ALL_PROXY")
	if all == "" {
		all = os.Getenv("all_proxy")
	}
	c := httpproxy.FromEnvironment()
	c.HTTPProxy, c.HTTPSProxy = all, all
	return c.ProxyFunc()
})

// proxyFromEnvironment obeys HTTPS_PROXY, HTTP_PROXY and NO_PROXY and, where those name none, ALL_PROXY.
func proxyFromEnvironment(req *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(req)
	if u != nil || err != nil {
		return u, err
	}
	return allProxy()(req.URL)
}
