//go:build linux

package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"

	"drayage/test/registry3"
)

// Hidden does the work of the processes that this program starts of itself. It returns false for any other
// arguments.
func Hidden(ctx context.Context, args []string) (bool, error) {
	if len(args) < 2 {
		return false, nil
	}
	switch args[0] {
	case "registry":
		return true, serveRegistry(ctx, args[1:])
	case "distribution":
		return true, serveDistribution(ctx, args[1:])
	case "pull":
		return true, runPull(ctx, args[1:])
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

// serveRegistry is the registry's own process: DIRECTORY, and how late it begins as [slowly] says.
func serveRegistry(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("registry: DIRECTORY SLOWNESS")
	}
	var bad error
	wrap := func(next http.Handler) http.Handler {
		var late http.Handler
		late, bad = slowly(args[1], next)
		return &counting{next: late, seen: traffic{Gets: map[string]int{}}}
	}
	s, err := registry3.Start(ctx, registry3.Options{Dir: args[0], Wrap: wrap})
	if err != nil {
		return err
	}
	defer s.Close()
	if bad != nil {
		return bad
	}
	return announce(ctx, s.Addr())
}
