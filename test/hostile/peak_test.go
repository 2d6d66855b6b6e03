//go:build linux

package hostile_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
)

// measureEnv makes this test binary run one command and write the command's peak memory, in KiB, to the file
// that it names. Linux counts the memory of the process that starts a program as the program's own: so a
// fresh copy of this binary stands between, whose own 18 MiB are the least that can come out.
const measureEnv = "DRAYAGE_HOSTILE_MEASURE"

func init() {
	if report := os.Getenv(measureEnv); report != "" {
		os.Exit(measure(report, os.Args[1:]))
	}
}

func measure(report string, args []string) int {
	signal.Ignore(os.Interrupt)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
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
