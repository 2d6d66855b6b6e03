//go:build linux

package interop

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// commandTimeout ends what hangs. Only a test that expects things to hang changes it, before it starts
// anything.
var commandTimeout = 3 * time.Minute

// outcome is what a finished command left.
type outcome struct {
	command        string
	stdout, stderr string
	code           int
}

// invocation is a command line with what it gets besides the shared environment.
type invocation struct {
	argv  []string
	env   []string
	stdin io.Reader
	quiet bool // not in the log: one of very many
}

// run waits for the command to end, however it ends.
func (i invocation) run(t *testing.T) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := i.command(ctx, t)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = i.stdin, &stdout, &stderr
	err := cmd.Run()
	return i.outcome(t, cmd, err, &stdout, &stderr)
}

func (i invocation) command(ctx context.Context, t *testing.T) *exec.Cmd {
	t.Helper()
	path, err := find(i.argv[0])
	if strings.Contains(i.argv[0], "/") {
		path, err = i.argv[0], nil
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, path, i.argv[1:]...)
	cmd.Env = slices.Concat(environment, i.env)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

func (i invocation) outcome(t *testing.T, cmd *exec.Cmd, err error, stdout, stderr *bytes.Buffer) outcome {
	t.Helper()
	o := outcome{strings.Join(i.argv, " "), stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v\n%s", o.command, err, o.stderr)
	}
	if !i.quiet {
		t.Logf("$ %s (exit %d)", o.command, o.code)
	}
	return o
}

// ok fails the test unless the command succeeded, and returns what it printed.
func (o outcome) ok(t *testing.T) string {
	t.Helper()
	if o.code != 0 {
		t.Fatalf("%s: exit %d\nstdout: %s\nstderr: %s", o.command, o.code, o.stdout, o.stderr)
	}
	return strings.TrimSpace(o.stdout)
}

// run runs a command that must succeed and returns its standard output, trimmed.
func run(t *testing.T, argv ...string) string {
	t.Helper()
	return invocation{argv: argv}.run(t).ok(t)
}

// drayage runs the command under test.
func drayage(t *testing.T, args ...string) outcome {
	t.Helper()
	return drayageCommand(t, args...).run(t)
}

func drayageCommand(t *testing.T, args ...string) invocation {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return invocation{argv: append([]string{path}, args...)}
}

// pipe runs left | right and returns both outcomes.
func pipe(t *testing.T, left, right invocation) (l, r outcome) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()
	var stdout, lerr, rerr bytes.Buffer
	producer, consumer := left.command(ctx, t), right.command(ctx, t)
	producer.Stderr, consumer.Stdout, consumer.Stderr = &lerr, &stdout, &rerr
	out, err := producer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	consumer.Stdin = out
	if err := errors.Join(producer.Start(), consumer.Start()); err != nil {
		t.Fatal(err)
	}
	rightErr := consumer.Wait()
	out.Close() // as a shell would: a producer that nobody reads gets SIGPIPE
	leftErr := producer.Wait()
	return left.outcome(t, producer, leftErr, &bytes.Buffer{}, &lerr),
		right.outcome(t, consumer, rightErr, &stdout, &rerr)
}
