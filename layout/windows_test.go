//go:build !unix

package layout_test

import (
	"errors"
	"os"
	"os/exec"
)

// makePipe makes a directory: there are no named pipes in directories.
func makePipe(path string) error { return os.Mkdir(path, 0o755) }

func demote(*exec.Cmd, string) error { return errors.New("no directory is read-only here") }
