//go:build linux

package serving

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"drayage/test/provide"
)

var (
	binary string // the command under test
	work   string // a directory for what all tests share
)

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	var err error
	if work, err = os.MkdirTemp("", "drayage-serving-"); err == nil {
		defer os.RemoveAll(work)
		binary, err = provide.Binary(context.Background(), work)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "serving:", err)
		return 1
	}
	code := m.Run()
	if err := enter(); err != nil {
		fmt.Fprintln(os.Stderr, "serving:", err)
		return 1
	}
	return code
}

// drayage runs a command that must succeed.
func drayage(t *testing.T, args ...string) {
	t.Helper()
	out, err := command(t, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("drayage %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// command is a command line of drayage without the configuration of this machine.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home,
		"DOCKER_CONFIG="+home, "GOTRACEBACK=all")
	return cmd
}

// server is a running `drayage serve`.
type server struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string // http://host:port
	log  *record
	done chan struct{}
}

// record is what a process has written so far.
type record struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}

// readyTimeout and stopTimeout are for a machine that is very busy.
const (
	readyTimeout = time.Minute
	stopTimeout  = time.Minute
)

// start serves sources on a free port until the test ends.
func start(t *testing.T, args ...string) *server {
	t.Helper()
	s := &server{t: t, log: &record{}, done: make(chan struct{})}
	s.cmd = command(t, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = stopTimeout
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	url := make(chan string, 1)
	go func() {
		defer close(s.done)
		lines := bufio.NewReader(out)
		line, _ := lines.ReadString('\n')
		url <- strings.TrimSpace(line)
		io.Copy(s.log, lines)
		s.cmd.Wait() // how it ended is asked of the process's state
	}()
	t.Cleanup(func() {
		s.signal(syscall.SIGTERM)
		<-s.done
		if t.Failed() {
			t.Logf("serve says:\n%s", s.log)
		}
	})
	select {
	case s.url = <-url:
	case <-time.After(readyTimeout):
	}
	if !strings.HasPrefix(s.url, "http") {
		t.Fatalf("serve is not ready: %q", s.url)
	}
	return s
}

func (s *server) signal(sig syscall.Signal) {
	select {
	case <-s.done:
	default:
		s.cmd.Process.Signal(sig)
	}
}

// stop asks the server to end, and returns its exit code.
func (s *server) stop() int {
	s.t.Helper()
	s.signal(syscall.SIGTERM)
	return s.wait()
}

func (s *server) wait() int {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(stopTimeout):
		s.t.Fatalf("serve has not stopped after %v", stopTimeout)
	}
	return s.cmd.ProcessState.ExitCode()
}

func (s *server) addr() string { return s.url[strings.Index(s.url, "//")+2:] }

// proc is a file of /proc that tells about the server.
func (s *server) proc(name string) string {
	return filepath.Join("/proc", fmt.Sprint(s.cmd.Process.Pid), name)
}
