//go:build linux

package roundtrip

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// measureEnv makes this test binary run one command and write the command's peak memory to the file it names.
const measureEnv = "DRAYAGE_ROUNDTRIP_MEASURE"

// peak runs drayage and returns its peak resident memory in bytes. Linux counts the memory of the process
// that starts a program as the program's own, and this one holds two registries and a compiler's output; so a
// fresh copy of this binary, which has allocated next to nothing, stands between. Its own 18 MiB are the
// least that can come out.
func (c *cli) peak(t *testing.T, stdin string, args ...string) int64 {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(t.TempDir(), "peak")
	cmd := c.command(t, self, append([]string{binary}, args...)...)
	cmd.Env = append(cmd.Env, measureEnv+"="+report)
	if stdin != "" {
		f, err := os.Open(c.path(stdin))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd.Stdin = struct{ io.Reader }{f} // not the file itself, which would be read in place: a pipe
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("drayage %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	kib, err := strconv.ParseInt(string(readFile(t, report)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// init turns the copy in between into what it is for, before TestMain builds anything.
func init() {
	if report := os.Getenv(measureEnv); report != "" {
		os.Exit(measure(report, os.Args[1:]))
	}
}

// measure runs one command and returns its exit code.
func measure(report string, args []string) int {
	signal.Ignore(os.Interrupt)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		fmt.Fprintln(os.Stderr, "this system does not report memory use")
		return 1
	}
	if err := os.WriteFile(report, []byte(strconv.FormatInt(usage.Maxrss, 10)), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}
