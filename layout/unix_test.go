//go:build unix

package layout_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

func makePipe(path string) error { return unix.Mkfifo(path, 0o644) }

// demote makes a process run as nobody if it would run as root, to whom no directory is read-only. It lets
// nobody reach dir.
func demote(cmd *exec.Cmd, dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	cmd.Path = "/proc/self/exe" // nobody cannot reach the binary by its name
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return os.Chmod(filepath.Dir(dir), 0o755)
}
