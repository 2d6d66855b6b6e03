package roundtrip

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The exit codes of drayage that these tests expect.
const (
	exitDone       = 0
	exitUsage      = 2
	exitNotFound   = 3
	exitAuth       = 4
	exitNetwork    = 5
	exitPartlyDone = 7
)

// cli runs drayage in a directory of its own, with no credentials but those a test puts into its
// DOCKER_CONFIG.
type cli struct {
	dir   string
	stdin io.Reader // of the next run only
}

func newCLI(t *testing.T) *cli {
	t.Helper()
	return &cli{dir: t.TempDir()}
}

func (c *cli) path(name string) string { return filepath.Join(c.dir, name) }

// result is what one run of drayage did.
type result struct {
	args   []string
	code   int
	stdout string
	stderr string
}

// commandTimeout ends a run that hangs; no test measures time by it.
const commandTimeout = 5 * time.Minute

// run runs drayage and waits for it.
func (c *cli) run(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := c.command(t, binary, args...)
	cmd.Stdin, c.stdin = c.stdin, nil
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("drayage %s: %v", strings.Join(args, " "), err)
	}
	return result{args: args, code: cmd.ProcessState.ExitCode(), stdout: stdout.String(),
		stderr: stderr.String()}
}

func (c *cli) command(t *testing.T, name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "HOME="+c.dir, "DOCKER_CONFIG="+c.path("docker"),
		"XDG_CACHE_HOME="+c.path("cache"),
		"XDG_RUNTIME_DIR="+c.dir, "REGISTRY_AUTH_FILE=")
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// must runs drayage and ends the test if it fails.
func (c *cli) must(t *testing.T, args ...string) result {
	t.Helper()
	r := c.run(t, args...)
	if r.code != exitDone {
		t.Fatalf("%s", r)
	}
	return r
}

// fails runs drayage and ends the test unless it exits with code.
func (c *cli) fails(t *testing.T, code int, args ...string) result {
	t.Helper()
	r := c.run(t, args...)
	if r.code != code {
		t.Fatalf("want exit %d: %s", code, r)
	}
	return r
}

func (r result) String() string {
	var b strings.Builder
	b.WriteString("drayage " + strings.Join(r.args, " "))
	b.WriteString("\nexit: " + strconv.Itoa(r.code))
	if len(r.stdout) < 4096 {
		b.WriteString("\nstdout: " + r.stdout)
	}
	b.WriteString("\nstderr: " + r.stderr)
	return b.String()
}

func (c *cli) exists(name string) bool {
	_, err := os.Lstat(c.path(name))
	return err == nil
}

func (c *cli) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(c.path(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
