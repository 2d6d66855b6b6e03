package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"drayage/internal/durable"
	"drayage/internal/filelock"
)

func create(t *testing.T, path, content string) *durable.Output {
	t.Helper()
	o, err := durable.CreateOutput(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.WriteString(content); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestOutput(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.tar")

	o := create(t, path, "first, and longer")
	check(t, "before Commit", tree(t, dir), map[string]string{"out.tar.partial": "first, and longer"})
	if err := o.Commit(); err != nil {
		t.Fatal(err)
	}
	o.Abort() // as a deferred call does
	check(t, "after Commit", tree(t, dir), map[string]string{"out.tar": "first, and longer"})

	o = create(t, path, "second")
	check(t, "before the second Commit", tree(t, dir), map[string]string{"out.tar": "first, and longer",
		"out.tar.partial": "second"})
	o.Abort()
	o.Abort()
	check(t, "after Abort", tree(t, dir), map[string]string{"out.tar": "first, and longer"})

	if err := os.WriteFile(path+".partial", []byte("left over from a crash, and long"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := create(t, path, "third").Commit(); err != nil {
		t.Fatal(err)
	}
	check(t, "over a partial file", tree(t, dir), map[string]string{"out.tar": "third"})
}

func TestOutputIsExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.tar")
	o := create(t, path, "mine")
	if second, err := durable.CreateOutput(path); !errors.Is(err, filelock.ErrLocked) {
		t.Errorf("second writer: %v, %v", second, err)
	}
	if err := o.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := create(t, path, "yours").Commit(); err != nil {
		t.Errorf("after the first has finished: %v", err)
	}
}

// A writer that opens the partial file just before another one commits it must not get hold of the finished
// file.
func TestOutputNeverSpoilsAFinishedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.tar")
	if err := create(t, path, "whole").Commit(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				o, err := durable.CreateOutput(path)
				if errors.Is(err, filelock.ErrLocked) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				o.WriteString("whole")
				if err := o.Commit(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for {
		if raw, err := os.ReadFile(path); err != nil || string(raw) != "whole" {
			t.Errorf("the finished file is %q, %v", raw, err)
			<-done
			return
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

func TestOutputFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "disk"), 0o755),
		os.WriteFile(filepath.Join(dir, "disk", "real.tar"), nil, 0o644),
		os.Symlink(filepath.Join("disk", "real.tar"), filepath.Join(dir, "link.tar"))); err != nil {
		t.Fatal(err)
	}
	if err := create(t, filepath.Join(dir, "link.tar"), "new").Commit(); err != nil {
		t.Fatal(err)
	}
	check(t, "link", tree(t, dir), map[string]string{"disk": fs.ModeDir.String(), "disk/real.tar": "new",
		"link.tar": fs.ModeSymlink.String()})
}

func TestOutputRefuses(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.Mkdir(at("dir"), 0o755), os.Mkdir(at("a.tar.partial"), 0o755),
		os.Symlink("/dev/null", at("b.tar.partial")),
		os.WriteFile(at("file"), nil, 0o644), os.WriteFile(at("victim"), []byte("precious"),
			0o644), os.Symlink("victim", at("c.tar.partial"))); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	for _, name := range []string{"dir", "a.tar", "b.tar", "c.tar", "absent/x.tar", "file/x.tar",
		strings.Repeat("x", 300)} {
		o, err := durable.CreateOutput(at(name))
		if err == nil {
			o.Abort()
			t.Errorf("%s: accepted", name)
		}
		check(t, name, tree(t, dir), before)
	}
	if o, err := durable.CreateOutput("/dev/null"); err == nil {
		o.Abort()
		t.Error("a device was accepted")
	}
}

func TestOutputCommitFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.tar")
	o := create(t, path, "x")
	if err := os.Mkdir(path, 0o755); err != nil { // meanwhile
		t.Fatal(err)
	}
	if err := o.Commit(); err == nil {
		t.Error("no error")
	}
	check(t, "after a failed Commit", tree(t, dir), map[string]string{"out.tar": fs.ModeDir.String()})
}
