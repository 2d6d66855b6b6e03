package filelock_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"drayage/internal/filelock"
)

// holdVariable makes the test binary a process that locks the file it names until its input ends.
const holdVariable = "DRAYAGE_TEST_HOLD_LOCK"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdVariable); path != "" {
		hold(path)
		return
	}
	goleak.VerifyTestMain(m)
}

func hold(path string) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		err = filelock.TryLock(f)
	}
	if err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		return
	}
	os.Stdout.WriteString("locked\n")
	io.Copy(io.Discard, os.Stdin)
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestTryLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	a, b := open(t, path), open(t, path)
	if err := filelock.TryLock(a); err != nil {
		t.Fatal(err)
	}
	if err := filelock.TryLock(b); !errors.Is(err, filelock.ErrLocked) {
		t.Errorf("locked twice: %v", err)
	}
	a.Close()
	if err := filelock.TryLock(b); err != nil {
		t.Errorf("still locked after Close: %v", err)
	}
	if err := filelock.TryLock(a); err == nil || errors.Is(err, filelock.ErrLocked) {
		t.Errorf("lock of a closed file: %v", err)
	}
}

func TestLockWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	a, b := open(t, path), open(t, path)
	if err := filelock.TryLock(a); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		reason := errors.New("the user has gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(reason) })
		if err := filelock.Lock(ctx, b); err != reason {
			t.Errorf("waiting ended with %v, want the cause of the context", err)
		}
		time.AfterFunc(time.Minute, func() { a.Close() })
		if err := filelock.Lock(t.Context(), b); err != nil {
			t.Errorf("waiting for an owner that leaves: %v", err)
		}
	})
}

func TestLockDiesWithItsOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	f := open(t, path)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), self)
	child.Env = append(os.Environ(), holdVariable+"="+path)
	in, err := child.StdinPipe() // left open: the child ends by being killed
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Errorf("child: %q, %v", line, err)
	}
	if err := filelock.TryLock(f); !errors.Is(err, filelock.ErrLocked) {
		t.Errorf("locked by two processes: %v", err)
	}
	child.Process.Kill()
	child.Wait()
	if err := filelock.TryLock(f); err != nil {
		t.Errorf("the lock outlives its owner: %v", err)
	}
}
