//go:build linux

package reliability

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The exit codes of drayage.
const (
	exitOther       = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitDenied      = 4
	exitNetwork     = 5
	exitIntegrity   = 6
	exitPartly      = 7
	exitInterrupted = 130
)

// result is what one run of drayage did.
type result struct {
	args   []string
	code   int
	stdout string
	stderr string
	peak   int64 // resident memory in bytes, as far as it was seen
}

func (r result) String() string {
	return fmt.Sprintf("drayage %s: exit %d: %s", strings.Join(r.args, " "), r.code, strings.TrimSpace(r.stderr))
}

// commandTimeout ends a run that hangs; no case measures time by it.
const commandTimeout = 3 * time.Minute

// command prepares a run with no credentials but those that a case puts into its DOCKER_CONFIG.
func (t *try) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	t.Cleanup(cancel)
	argv := append(append(t.prefix, binary), args...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = t.dir
	cmd.Env = append(os.Environ(), "HOME="+t.dir, "DOCKER_CONFIG="+t.path("docker"),
		"XDG_CACHE_HOME="+t.path("cache"),
		"XDG_RUNTIME_DIR="+t.dir, "XDG_CONFIG_HOME="+t.path("config"), "REGISTRY_AUTH_FILE=", "TMPDIR="+t.dir)
	if t.certs != nil {
		cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+t.path("ca.pem"))
	}
	cmd.Env = append(cmd.Env, t.env...)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run runs drayage and waits for it.
func (t *try) run(args ...string) result { return t.feed(nil, args...) }

// feed is run with something on standard input.
func (t *try) feed(stdin io.Reader, args ...string) result {
	var stdout, stderr bytes.Buffer
	cmd := t.command(args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("drayage %s: %v", strings.Join(args, " "), err)
	}
	var peak int64
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { peak = watch(cmd.Process.Pid, stop) })
	err := cmd.Wait()
	close(stop)
	watching.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("drayage %s: %v", strings.Join(args, " "), err)
	}
	return result{args: args, code: cmd.ProcessState.ExitCode(), stdout: stdout.String(),
		stderr: stderr.String(), peak: peak}
}

// watch returns the largest peak of resident memory that a process has told until stop. What the kernel tells
// of a process that has ended counts the memory of the one that started it too.
func watch(pid int, stop <-chan struct{}) (peak int64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if _, rest, ok := strings.Cut(string(raw), "VmHWM:"); ok &&
			strings.HasPrefix(string(raw), "Name:\tdrayage") {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			peak = max(peak, kib<<10)
		}
		select {
		case <-stop:
			return peak
		case <-tick.C:
		}
	}
}

// must runs drayage and ends the attempt if it fails.
func (t *try) must(args ...string) result {
	r := t.run(args...)
	if r.code != 0 {
		t.Fatalf("%s", r)
	}
	return r
}

// fails runs drayage, which must end with one of the exit codes and an error that says something of each
// kind: says holds alternatives, divided by bars.
func (t *try) fails(codes []int, says []string, args ...string) result {
	r := t.run(args...)
	t.failed(r, codes, says...)
	return r
}

// failed checks that a run has failed as it should.
func (t *try) failed(r result, codes []int, says ...string) {
	if r.code == 0 {
		t.Fatalf("drayage %s succeeded although it cannot have", strings.Join(r.args, " "))
	}
	if !slices.Contains(codes, r.code) {
		t.Errorf("exit code %d, want %v: %s", r.code, codes, r)
	}
	for _, alternatives := range says {
		if !slices.ContainsFunc(strings.Split(alternatives, "|"), func(s string) bool {
			return strings.Contains(r.stderr, s)
		}) {
			t.Errorf("the error does not say %q: %s", alternatives, r)
		}
	}
	if strings.Contains(r.stderr, "panic") || strings.Contains(r.stderr, "goroutine ") {
		t.Errorf("drayage broke down: %s", r)
	}
}

// bounded checks that a run has not taken much memory.
func (t *try) bounded(r result) {
	if r.peak > 100<<20 {
		t.Errorf("it took %d MiB of memory: %s", r.peak>>20, r)
	}
}
