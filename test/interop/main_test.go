//go:build linux

package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// work is this run's directory. Its path is short because sockets live below it and Linux allows those 107
// bytes.
var work string

// environment is what every command and daemon sees: no proxy, no credentials, no user configuration of this
// machine, and UTC, because Docker hashes local midnight of 1970 into the layer ids that it saves.
var environment []string

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	if work, err = os.MkdirTemp("", "dri-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	for _, err := range []error{stopBuilder(), os.RemoveAll(work)} {
		if err != nil {
			fmt.Fprintln(os.Stderr, "cleaning up:", err)
			code = max(code, 1)
		}
	}
	return code
}

func prepare() error {
	environment = []string{
		// a plain user's PATH lacks the last three
		"PATH=" + os.Getenv("PATH") + ":/usr/local/sbin:/usr/sbin:/sbin",
		"LANG=C.UTF-8",
		"TZ=UTC",
		"HOME=" + filepath.Join(work, "home"),
		"TMPDIR=" + filepath.Join(work, "tmp"),
		"XDG_RUNTIME_DIR=" + filepath.Join(work, "run"),
		"DOCKER_CONFIG=" + filepath.Join(work, "home/.docker"),
		"DOCKER_BUILDKIT=0",
	}
	for _, dir := range []string{"home/.docker", "tmp", "run"} {
		if err := os.MkdirAll(filepath.Join(work, dir), 0o700); err != nil {
			return err
		}
	}
	// podman run wants the file that DOCKER_CONFIG promises.
	return os.WriteFile(filepath.Join(work, "home/.docker/config.json"), []byte("{}\n"), 0o600)
}

// binary is the command under test.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("DRAYAGE_BIN"); path != "" {
		return path, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	path := filepath.Join(work, "drayage")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/drayage")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building drayage: %v\n%s", err, out)
	}
	return path, nil
})

// scratch is a directory of the test's own with a short path. What cannot be removed, such as a mount that a
// daemon left, fails the test.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(work, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := os.RemoveAll(dir)
		for range 50 { // podman tidies up in a process that outlives podman run
			if !errors.Is(err, syscall.ENOTEMPTY) {
				break
			}
			time.Sleep(100 * time.Millisecond)
			err = os.RemoveAll(dir)
		}
		if err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
	return dir
}
