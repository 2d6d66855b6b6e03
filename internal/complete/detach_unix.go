//go:build unix

package complete

import (
	"os"

	"golang.org/x/sys/unix"
)

// LeaveTerminal gives up the terminal of this process and of all programs that it will start. A credential
// helper that opens the terminal by itself would write into the line of the user, and take what is typed.
func LeaveTerminal() {
	os.Unsetenv("GPG_TTY") // some helpers ask where it says
	if leader, err := unix.Getsid(0); err != nil || leader == os.Getpid() {
		return // the terminal would be lost for others too
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return // there is none
	}
	defer tty.Close()
	_ = unix.IoctlSetInt(int(tty.Fd()), unix.TIOCNOTTY, 0)
}
