//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// serveProxy is a proxy's own process: TARGET, bytes a second for each response (0: no limit), delay of each
// request.
func serveProxy(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("proxy: TARGET RATE DELAY")
	}
	rate, err := strconv.ParseFloat(args[1], 64)
	if err != nil {
		return err
	}
	delay, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: args[0]})
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 64}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if wait(r.Context(), delay) != nil {
				return
			}
			if rate > 0 {
				w = &pacedWriter{ResponseWriter: w, ctx: r.Context(), rate: rate, began: time.Now()}
			}
			proxy.ServeHTTP(w, r)
		})}
	go s.Serve(ln)
	defer s.Close()
	return announce(ctx, ln.Addr().String())
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pacedWriter holds one response to a rate.
type pacedWriter struct {
	http.ResponseWriter
	ctx   context.Context // of the request, which lives as long
	rate  float64
	began time.Time
	sent  float64
}

func (w *pacedWriter) Write(p []byte) (int, error) {
	due := time.Duration(w.sent / w.rate * float64(time.Second))
	if err := wait(w.ctx, due-time.Since(w.began)); err != nil {
		return 0, err
	}
	n, err := w.ResponseWriter.Write(p)
	w.sent += float64(n)
	return n, err
}

const nginxConfig = `daemon off;
worker_processes 1;
user root;
pid nginx.pid;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen %s;
    location / { proxy_pass http://%s; proxy_set_header Host $http_host; proxy_max_temp_file_size 0; limit_rate %d; }
  }
}
`

// limited puts nginx in front of a registry. It counts in whole seconds, and gives each response what belongs
// to the second that has begun at once: the first 20 MB of each are free.
func limited(ctx context.Context, e *env, registry string) (string, func(), error) {
	path := e.tools.path("nginx")
	if path == "" {
		return "", nil, fmt.Errorf("nginx is %w: apt-get install nginx-light", errAbsent)
	}
	return e.nginx(ctx, path, registry, rate)
}

func unlimited(ctx context.Context, e *env, registry string) (string, func(), error) {
	return e.nginx(ctx, e.tools.path("nginx"), registry, 0)
}

func (e *env) nginx(ctx context.Context, path, registry string, rate int) (string, func(), error) {
	dir, err := os.MkdirTemp(e.dir, "nginx-")
	if err != nil {
		return "", nil, err
	}
	addr, err := freeAddress(ctx)
	if err != nil {
		return "", nil, err
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, addr, registry, rate), 0o600); err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, path, "-e", "stderr", "-p", dir, "-c", config)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop := func() { cmd.Process.Signal(syscall.SIGTERM); cmd.Wait() }
	for range 100 {
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			return addr, stop, conn.Close()
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			break
		}
	}
	stop()
	return "", nil, errors.New("nginx did not start")
}

func freeAddress(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}
