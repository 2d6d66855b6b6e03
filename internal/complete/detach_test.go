//go:build linux

package complete

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLeaveTerminal has a shell with a terminal run this test again, which leaves the terminal there. A
// program that it starts then has none.
func TestLeaveTerminal(t *testing.T) {
	const inside = "COMPLETE_TEST_INSIDE"
	open := func() error { return exec.Command("sh", "-c", ": </dev/tty").Run() }
	if os.Getenv(inside) != "" {
		if err := open(); err != nil {
			t.Fatalf("there is no terminal to leave: %v", err)
		}
		LeaveTerminal()
		if open() == nil {
			t.Fatal("the terminal is still there")
		}
		return
	}
	cmd := exec.Command("sh", "-c", `"$0" -test.run=TestLeaveTerminal; exit $?`, os.Args[0])
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin = pseudoTerminal(t)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// pseudoTerminal is the side of one that a program is on.
func pseudoTerminal(t *testing.T) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return slave
}
