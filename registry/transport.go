package registry

import (
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpproxy"
	"golang.org/x/time/rate"
)

// NewTransport returns a transport for blobs. It speaks HTTP/1.1 only, because HTTP/2 would put all transfers
// on one TCP connection. It keeps as many idle connections as there are workers, and does not decompress,
// because that would break digests. Besides the variables that net/http obeys it obeys ALL_PROXY.
func NewTransport(config *tls.Config) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:               proxyFromEnvironment,
		DialContext:         bulk(dialer.DialContext),
		TLSClientConfig:     config,
		TLSHandshakeTimeout: 15 * time.Second,
		Protocols:           &protocols,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
		// Servers that do not know "Expect: 100-continue" are sent the body after this time.
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true,
		ReadBufferSize:        64 << 10,
		WriteBufferSize:       64 << 10,
		// net/http would say "Forbidden" as if the registry had, and not that the proxy did.
		OnProxyConnectResponse: func(_ context.Context, proxy *url.URL, _ *http.Request, r *http.Response) error {
			if r.StatusCode == http.StatusOK {
				return nil
			}
			return &proxyError{proxy: proxy.Host, status: r.StatusCode}
		},
	}
}

// bulkSize is how much of a body is moved at once. It is more than the buffer from which net/http gives out
// the body of an answer: what is read is then not copied there, and larger writes cost less for each byte.
const bulkSize = 256 << 10

var bulkBuffers = sync.Pool{New: func() any { return new([bulkSize]byte) }}

// bulk makes connections to which bodies are written in large pieces. net/http would use small ones.
func bulk(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return bulkConn{conn}, nil
	}
}

type bulkConn struct{ net.Conn }

// ReadFrom implements io.ReaderFrom.
func (c bulkConn) ReadFrom(r io.Reader) (int64, error) {
	buf := bulkBuffers.Get().(*[bulkSize]byte)
	defer bulkBuffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{c.Conn}, struct{ io.Reader }{r}, buf[:])
}

func proxyFromEnvironment(req *http.Request) (*url.URL, error) { return proxies()(req.URL) }

var proxies = sync.OnceValue(func() func(*url.URL) (*url.URL, error) {
	all := cmp.Or(os.Getenv("ALL_PROXY"), os.Getenv("all_proxy"))
	c := httpproxy.FromEnvironment()
	c.HTTPProxy, c.HTTPSProxy = cmp.Or(c.HTTPProxy, all), cmp.Or(c.HTTPSProxy, all)
	return c.ProxyFunc()
})

// originTransport keeps what is configured for one endpoint, such as a client certificate, from the hosts
// that the endpoint redirects to.
type originTransport struct {
	at         url.URL
	own, other http.RoundTripper
}

func (t *originTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	sameScheme := t.at.Scheme == "" || t.at.Scheme == req.URL.Scheme
	if t.own != nil && sameScheme && strings.EqualFold(req.URL.Host, t.at.Host) {
		return t.own.RoundTrip(req)
	}
	return t.other.RoundTrip(req)
}

// CloseIdleConnections is for Client.Close.
func (t *originTransport) CloseIdleConnections() {
	for _, rt := range []http.RoundTripper{t.own, t.other} {
		if c, ok := rt.(interface{ CloseIdleConnections() }); ok {
			c.CloseIdleConnections()
		}
	}
}

// Limit bounds the bytes per second that connections carry together, both ways, for polite use of a link
// that others need. All bytes on the wire count, headers and TLS too. A Limit may be used concurrently.
type Limit struct{ bucket *rate.Limiter }

// NewLimit returns a bound of so many bytes per second, at least 1.
func NewLimit(bytesPerSecond int64) *Limit {
	// A tenth of a second at a time keeps the flow even. The wait for it stays far below any timeout.
	chunk := int(min(max(bytesPerSecond/10, 1), 64<<10))
	return &Limit{rate.NewLimiter(rate.Limit(bytesPerSecond), chunk)}
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// Dial returns a dial function for a transport. Its connections share the bound. A nil Limit returns dial.
func (l *Limit) Dial(dial dialFunc) dialFunc {
	if l == nil {
		return dial
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		open, closed := context.WithCancel(context.WithoutCancel(ctx))
		return &limitedConn{Conn: conn, bucket: l.bucket, open: open, closed: closed}, nil
	}
}

type limitedConn struct {
	net.Conn
	bucket *rate.Limiter
	open   context.Context // ends when the connection is closed: then nobody waits for it
	closed context.CancelFunc
}

func (c *limitedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), c.bucket.Burst())])
	if n > 0 {
		if werr := c.bucket.WaitN(c.open, n); werr != nil && err == nil {
			err = net.ErrClosed
		}
	}
	return n, err
}

func (c *limitedConn) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		part := p[:min(len(p), c.bucket.Burst())]
		if c.bucket.WaitN(c.open, len(part)) != nil {
			return written, net.ErrClosed
		}
		n, err := c.Conn.Write(part)
		written += n
		if err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}

func (c *limitedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}
