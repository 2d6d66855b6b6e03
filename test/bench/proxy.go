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
  log_format asked "$request_method $uri";
  access_log access.log asked;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen %s;
    proxy_set_header Host $http_host;
    proxy_max_temp_file_size 0;
    location / { proxy_pass http://%s; limit_rate %s; }
  }
}
`

// nginx puts nginx with that limit_rate in front of what open makes.
func (e *env) nginx(ctx context.Context, rate, storage string, open opening) (*origin, error) {
	if e.tools.path("nginx") == "" {
		return nil, fmt.Errorf("nginx is %w: apt-get install nginx-light", errAbsent)
	}
	dir, err := os.MkdirTemp(e.dir, "nginx-")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	o, err := open(ctx, e, storage)
	if err != nil {
		return nil, err
	}
	stop, err := e.startNginx(ctx, dir, addr, o.addr, rate)
	if err != nil {
		o.stop()
		return nil, err
	}
	return &origin{addr, accessLog(filepath.Join(dir, "access.log")), func() { stop(); o.stop() }}, nil
}

func (e *env) startNginx(ctx context.Context, dir, addr, to, rate string) (stop func(), err error) {
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, addr, to, rate), 0o600); err != nil {
		return nil, err
	}
	return e.daemon(ctx, addr, e.tools.path("nginx"), "-e", "stderr", "-p", dir, "-c", config)
}

// daemon starts a program that serves at addr.
func (e *env) daemon(ctx context.Context, addr, path string, args ...string) (stop func(), err error) {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() { cmd.Process.Signal(syscall.SIGTERM); cmd.Wait() }
	for range 100 {
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			return stop, conn.Close()
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			break
		}
	}
	stop()
	return nil, fmt.Errorf("%s did not start", filepath.Base(path))
}

func freeAddress(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}
