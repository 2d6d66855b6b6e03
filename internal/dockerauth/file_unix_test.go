//go:build unix

package dockerauth

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drayage/internal/filelock"
)

// A link, as programs that manage configurations make it, stays one; what it points to is replaced.
func TestSaveThroughLink(t *testing.T) {
	b := newBox(t)
	b.write("dotfiles/docker.json", `{"auths":{}}`)
	b.write(".docker/other", "")
	link := filepath.Join(b.home, ".docker", "config.json")
	if err := os.Symlink("../dotfiles/docker.json", link); err != nil {
		t.Fatal(err)
	}
	b.save("r.example", ann)
	b.holds("dotfiles/docker.json", `{"auths":{"r.example":{"auth":"`+auth("ann:secret")+`"}}}`)
	if fi, err := os.Lstat(link); err != nil || fi.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	if err := os.Remove(filepath.Join(b.home, "dotfiles", "docker.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := New(b.opts).Save(t.Context(), "r.example", ann); err == nil ||
		!strings.Contains(err.Error(), "a link to something that is not there") {
		t.Error(err)
	}
}

// A file that others could read is not afterwards; nor are temporary files, planted ones included, followed.
func TestSaveModes(t *testing.T) {
	b := newBox(t)
	path := b.write(".docker/config.json", `{"auths":{}}`)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	victim := b.write("victim", "untouched")
	if err := os.Symlink(victim, path+".tmp"); err != nil {
		t.Fatal(err)
	}
	b.save("r.example", ann)
	b.holds(".docker/config.json", `{"auths":{"r.example":{"auth":"`+auth("ann:secret")+`"}}}`)
	b.holds("victim", "untouched")
}

func TestSaveNotAFile(t *testing.T) {
	b := newBox(t)
	b.write(".docker/config.json/directory", "")
	if _, err := New(b.opts).Save(t.Context(), "r.example", ann); err == nil ||
		!strings.Contains(err.Error(), "not a regular file") {
		t.Error(err)
	}
}

// Who waits for the lock can be interrupted, and the file is what it was.
func TestSaveWaits(t *testing.T) {
	b := newBox(t)
	text := `{"auths":{}}`
	path := b.write(".docker/config.json", text)
	f, err := os.Create(path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := filelock.TryLock(f); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := New(b.opts).Save(ctx, "r.example", ann); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if raw, err := os.ReadFile(path); err != nil || string(raw) != text {
		t.Errorf("%s, %v", raw, err)
	}
}

// A lock file that has been removed while it was waited for locks nothing: the one that has the name now
// does.
func TestLockOfRemovedFile(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	first, err := root.Create("lock")
	if err != nil {
		t.Fatal(err)
	}
	if err := filelock.TryLock(first); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	var held atomic.Bool
	var waiter sync.WaitGroup
	waiter.Go(func() {
		unlock, err := lock(ctx, root, "lock")
		if err != nil {
			return
		}
		if held.Load() {
			t.Error("locked twice")
		}
		unlock()
	})
	time.Sleep(100 * time.Millisecond) // for it to wait for the file that there is; else this proves nothing
	if err := root.Remove("lock"); err != nil {
		t.Fatal(err)
	}
	unlock, err := lock(t.Context(), root, "lock")
	if err != nil {
		t.Fatal(err)
	}
	held.Store(true)
	first.Close()
	waiter.Wait()
	unlock()
}
