package main

import (
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"drayage/registry"
)

// Root may open everything, so the errors of files that others own are made here.
func TestPermission(t *testing.T) {
	of := func(op, path string) error {
		return fmt.Errorf("rm: images: %w", &fs.PathError{Op: op, Path: path, Err: syscall.EACCES})
	}
	blocked := &registry.NetworkError{Host: "a.test", Err: syscall.EACCES}
	for _, c := range []struct {
		err  error
		code int
		text string
	}{
		{of("openat", "index.json"), exitDenied, "rm: images: cannot open index.json: permission denied"},
		{of("openat", ".drayage/lock"), exitDenied, "rm: images: cannot write .drayage/lock: permission denied"},
		{blocked, exitUnavailable, "cannot talk to a.test: permission denied"},
	} {
		code, text := exitCode(t.Context(), c.err), (&environment{}).describe(c.err)
		if code != c.code || text != c.text {
			t.Errorf("exit code %d, %s; want %d, %s", code, text, c.code, c.text)
		}
	}
}
