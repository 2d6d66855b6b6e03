package registry

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// Client talks to any number of registries. The zero value is an anonymous client with default
// settings. It may be used concurrently; its fields must not change after the first use.
type Client struct {
	// Transport sends single requests; nil means NewTransport(nil). It must neither follow
	// redirects, nor authenticate, nor decode bodies.
	Transport http.RoundTripper

	// Foreign sends requests for foreign layers that a registry does not have to the addresses in their descriptors, which are whatever
	// somebody has written into a manifest: NewForeignTransport keeps them from where they do not belong. nil means that nobody
	// is asked, and that such a layer is a *ForeignError. Credentials and headers of registries never go there.
	Foreign http.RoundTripper

	// Credentials returns what to log in to a registry with, for a repository of it if that is not empty; nil, or an empty
	// credential, means anonymously. It is asked only after the registry has demanded authentication.
	Credentials func(ctx context.Context, registry, repository string) (Credential, error)

	// Endpoints, if set, lists the ways to reach the repository of an image, in the order in which they are asked: mirrors, and
	// the registry itself. Pushes go to the first that takes them. nil means the registry itself, by its name.
	Endpoints func(Reference) ([]Endpoint, error)

	// PlainHTTP makes all registries be spoken to over http. Without it http is used only
	// with loopback addresses that do not speak TLS.
	PlainHTTP bool

	// UserAgent is sent with every request; empty means "drayage".
	UserAgent string

	// StallTimeout is how long a connection may stay silent before it is given up and tried
	// again; 0 means one minute.
	StallTimeout time.Duration

	// ExtraStreams is how many streams may read ranges of large blobs from one registry at once, besides the first
	// stream of each blob. 0 means 32, a negative number means none.
	ExtraStreams int

	// Notify is told, in a line, what a user should know but no call fails for: a wait that a registry asked for,
	// a warning it sent. It may be called concurrently; nil means nobody is told.
	Notify func(message string)

	mu     sync.Mutex
	hosts  map[string]*host
	told   map[string]bool     // messages that Notify has been given
	chunks *semaphore.Weighted // bytes of chunks that are held
}

// NewTransport returns a transport made for blobs: HTTP/1.1 only, because HTTP/2 would put all
// transfers on one TCP connection; as many idle connections as there are workers; no transparent
// decompression, which would break digests.
func NewTransport(config *tls.Config) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:               proxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     config,
		TLSHandshakeTimeout: 15 * time.Second,
		Protocols:           &protocols,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
		ReadBufferSize:      64 << 10,
		WriteBufferSize:     64 << 10,
	}
}

// Close drops idle connections.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.hosts {
		h.http.CloseIdleConnections()
	}
}

func (c *Client) extraStreams() int {
	if c.ExtraStreams == 0 {
		return 32
	}
	return max(c.ExtraStreams, 0)
}

func (c *Client) transport() http.RoundTripper {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Transport == nil {
		c.Transport = NewTransport(nil)
	}
	return c.Transport
}

// notify tells the user each thing once.
func (c *Client) notify(message string) {
	c.mu.Lock()
	told := c.told[message]
	if c.told == nil {
		c.told = map[string]bool{}
	}
	c.told[message] = true
	c.mu.Unlock()
	if c.Notify != nil && !told {
		c.Notify(message)
	}
}

// apiHost is the machine behind a registry's name.
func apiHost(registry string) string {
	if registry == "docker.io" || registry == "index.docker.io" {
		return "registry-1.docker.io"
	}
	return registry
}

// isLoopback reports whether host, with or without a port, can only be this machine.
func isLoopback(hostport string) bool {
	name := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if ip := net.ParseIP(name); ip != nil {
		return ip.IsLoopback() || ip.IsUnspecified() // connecting to 0.0.0.0 ends here too
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// sameOrigin reports whether two URLs have the same scheme, host and port: only then may one
// see what was meant for the other.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}
