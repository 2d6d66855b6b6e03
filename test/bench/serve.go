//go:build linux

package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"

	"drayage/test/registry3"
)

// trafficPath is where the registry tells what it has received.
const trafficPath = "/-/received"

// Hidden does the work of the processes that this program starts of itself. It returns false for any other
// arguments.
func Hidden(ctx context.Context, args []string) (bool, error) {
	if len(args) < 2 {
		return false, nil
	}
	switch args[0] {
	case "registry":
		return true, serveRegistry(ctx, args[1])
	case "proxy":
		return true, serveProxy(ctx, args[1:])
	case "meter":
		return true, runMeter(ctx, args[1], args[2])
	case "limit":
		return true, runLimit(ctx, args[1:])
	}
	return false, nil
}

// server is a child process that serves until its standard input ends, so that it cannot outlive this one.
type server struct {
	addr  string // host:port
	pid   int
	cmd   *exec.Cmd
	stdin io.Closer
}

// serve starts one of the servers. The caller stops it.
func (e *env) serve(ctx context.Context, args ...string) (*server, error) {
	cmd := exec.CommandContext(ctx, e.self, args...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, stdin: stdin, pid: cmd.Process.Pid}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s did not start: %v", args[0], err), s.stop())
	}
	s.addr = strings.TrimSpace(line)
	return s, nil
}

func (s *server) stop() error {
	return errors.Join(s.stdin.Close(), s.cmd.Wait())
}

// announce prints the address for serve and waits for the end.
func announce(ctx context.Context, addr string) error {
	fmt.Println(addr)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		io.Copy(io.Discard, os.Stdin)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	return nil
}

// serveRegistry is the registry's own process.
func serveRegistry(ctx context.Context, dir string) error {
	var received atomic.Int64
	wrap := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == trafficPath {
				json.NewEncoder(w).Encode(received.Load())
				return
			}
			r.Body = countedBody{r.Body, &received}
			next.ServeHTTP(w, r)
		})
	}
	s, err := registry3.Start(ctx, registry3.Options{Dir: dir, Wrap: wrap})
	if err != nil {
		return err
	}
	defer s.Close()
	return announce(ctx, s.Addr())
}

type countedBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// received asks a registry how many bytes of bodies it has got. No server has got none.
func (s *server) received(ctx context.Context) (n int64, err error) {
	if s == nil {
		return 0, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+trafficPath, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return n, json.NewDecoder(resp.Body).Decode(&n)
}
