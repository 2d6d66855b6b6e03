package main

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"time"

	"drayage/test/faultreg"
	"drayage/test/registry3"
	"drayage/test/wire"
)

// The registries of the recording. httptest's certificate is for names below example.com.
const (
	sourceHost  = "hub.example.com"
	privateHost = "registry.example.com"
)

// world is what the commands meet: two real registries with TLS, and a proxy on this machine that stands for
// the network between.
type world struct {
	environment []string
	closers     []func()
}

func build(ctx context.Context, dir string, rate int) (_ *world, err error) {
	w := &world{}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	img, err := newImage()
	if err != nil {
		return nil, err
	}
	source, err := w.registry(ctx)
	if err != nil {
		return nil, err
	}
	if err := img.Seed(ctx, &wire.Repository{URL: source.URL(), Name: "shop/web"}, "2.1"); err != nil {
		return nil, err
	}
	private, err := w.registry(ctx)
	if err != nil {
		return nil, err
	}
	behind := map[string]string{}
	var ca []byte
	for host, registry := range map[string]*registry3.Server{sourceHost: source, privateHost: private} {
		front := faultreg.Start(slow(registry.Handler(), rate), true)
		w.closers = append(w.closers, front.Close)
		behind[host+":443"] = front.Addr()
		ca = front.Certificate()
	}
	proxy := httptest.NewUnstartedServer(tunnel(behind))
	proxy.Config.ErrorLog = log.New(io.Discard, "", 0)
	proxy.Start()
	w.closers = append(w.closers, proxy.Close)
	caFile := filepath.Join(dir, "ca.pem")
	w.environment = []string{"HOME=" + dir, "XDG_RUNTIME_DIR=" + dir, "TERM=xterm-256color",
		"HTTPS_PROXY=" + proxy.URL, "DRAYAGE_CA_FILE=" + caFile}
	return w, os.WriteFile(caFile, ca, 0o600)
}

func (w *world) registry(ctx context.Context) (*registry3.Server, error) {
	s, err := registry3.Start(ctx, registry3.Options{})
	if err == nil {
		w.closers = append(w.closers, s.Close)
	}
	return s, err
}

// close stops what was started, the last first.
func (w *world) close() {
	for i := len(w.closers) - 1; i >= 0; i-- {
		w.closers[i]()
	}
}

// tunnel is a proxy that answers CONNECT, and reaches the hosts that it knows.
func tunnel(behind map[string]string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addr, ok := behind[r.Host]
		if r.Method != http.MethodConnect || !ok {
			http.Error(w, "unknown host", http.StatusBadGateway)
			return
		}
		there, err := net.Dial("tcp", addr)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer there.Close()
		here, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		done := make(chan struct{}, 2)
		go func() { io.Copy(there, buffered); there.Close(); done <- struct{}{} }()
		go func() { io.Copy(here, there); here.Close(); done <- struct{}{} }()
		<-done
		<-done
	})
}

// slow is a registry at the end of a link that carries rate bytes a second in both directions together.
func slow(next http.Handler, rate int) http.Handler {
	l := &link{rate: rate}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = slowBody{r.Body, l, r.Context()}
		next.ServeHTTP(slowWriter{w, l, r.Context()}, r)
	})
}

// link lets bytes pass one after another, each at its time.
type link struct {
	rate int
	mu   sync.Mutex
	free time.Time // when the bytes before have passed
}

// lag is how much of the time in which nothing passed may be made up for.
const lag = 50 * time.Millisecond

// pass waits until n more bytes have passed.
func (l *link) pass(ctx context.Context, n int) {
	l.mu.Lock()
	if early := time.Now().Add(-lag); l.free.Before(early) {
		l.free = early
	}
	l.free = l.free.Add(time.Duration(n) * time.Second / time.Duration(l.rate))
	until := time.Until(l.free)
	l.mu.Unlock()
	select {
	case <-time.After(until):
	case <-ctx.Done():
	}
}

// piece is how much passes at once.
const piece = 32 << 10

type slowWriter struct {
	http.ResponseWriter
	link *link
	ctx  context.Context
}

func (w slowWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		part := p[:min(len(p), piece)]
		w.link.pass(w.ctx, len(part))
		var m int
		m, err = w.ResponseWriter.Write(part)
		http.NewResponseController(w.ResponseWriter).Flush()
		n, p = n+m, p[m:]
	}
	return n, err
}

type slowBody struct {
	io.ReadCloser
	link *link
	ctx  context.Context
}

func (b slowBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), piece)])
	b.link.pass(b.ctx, n)
	return n, err
}
