package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
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

// Wild case 45: a link that leads to nothing yet stays, and what it names is written.
func TestWild45OutputFollowsDanglingLinks(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.MkdirAll(at("disk/deep"), 0o755),
		os.Symlink(filepath.Join("disk", "deep"), at("short")),
		os.Symlink("short/../second.tar", at("link.tar")), // which is disk/second.tar
		os.Symlink(at("disk/real.tar"), at("disk/second.tar")),
		os.Symlink("loop.tar", at("loop.tar")), os.Symlink("absent/x.tar", at("lost.tar"))); err != nil {
		t.Fatal(err)
	}
	if err := create(t, at("link.tar"), "new").Commit(); err != nil {
		t.Fatal(err)
	}
	link := fs.ModeSymlink.String()
	want := map[string]string{"disk": fs.ModeDir.String(), "disk/deep": fs.ModeDir.String(), "short": link,
		"link.tar": link, "disk/second.tar": link, "disk/real.tar": "new", "loop.tar": link, "lost.tar": link}
	check(t, "link", tree(t, dir), want)
	for _, name := range []string{"loop.tar", "lost.tar"} {
		if o, err := durable.CreateOutput(at(name)); err == nil {
			o.Abort()
			t.Errorf("%s was accepted", name)
		}
	}
	check(t, "afterwards", tree(t, dir), want)
}

// Wild case 45: a file that is replaced keeps its mode, before it is whole too.
func TestWild45OutputKeepsTheMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no modes")
	}
	path := filepath.Join(t.TempDir(), "out.tar")
	for _, mode := range []os.FileMode{0o600, 0o664, 0o400} {
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		o := create(t, path, "new")
		if fi, err := os.Stat(o.Partial()); err != nil || fi.Mode().Perm()&0o077 != mode&0o077 {
			t.Errorf("%v: the partial file is %v, %v", mode, fi.Mode(), err)
		}
		if err := o.Commit(); err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Stat(path); err != nil || fi.Mode() != mode {
			t.Errorf("%v: the file is %v, %v", mode, fi.Mode(), err)
		}
		os.Remove(path)
	}
}

// Wild case 45: a name of up to 255 bytes has room for what the partial file has more.
func TestWild45OutputWithALongName(t *testing.T) {
	for _, name := range []string{strings.Repeat("x", 255), strings.Repeat("x", 248), strings.Repeat("x", 242),
		strings.Repeat("x", 101), "x" + strings.Repeat("\u00e9", 127), strings.Repeat("y", 251) + ".tar"} {
		dir := t.TempDir()
		open := func(name string) *durable.Resumable {
			r, err := durable.ResumeOutput(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		one, other := open(name), open(name[:97]+".tar")
		if left, err := os.ReadDir(dir); err != nil || len(left) != 4 || one.Partial() == other.Partial() {
			t.Errorf("%.9s: %v, %v", name, left, err)
		}
		other.Abort()
		one.WriteString("new")
		if err := one.Commit(); err != nil {
			t.Fatal(err)
		}
		check(t, name, tree(t, dir), map[string]string{name: "new"})
	}
}

// Wild case 42: where there are no locks, two runs that make one file do not write into one partial file.
// What one of them leaves is of no use to another.
func TestWild42OutputWithoutLocks(t *testing.T) {
	for _, reason := range []error{syscall.ENOLCK, syscall.EINVAL, syscall.EPERM, syscall.ENOTSUP} {
		t.Run(reason.Error(), func(t *testing.T) {
			defer filelock.Without(reason)()
			dir := t.TempDir()
			path := filepath.Join(dir, "out.tar")
			one, two := create(t, path, "one"), create(t, path, "twelve")
			if one.Partial() == two.Partial() || one.Shared() {
				t.Errorf("both are %s", one.Partial())
			}
			if err := errors.Join(two.Commit(), one.Commit()); err != nil {
				t.Fatal(err)
			}
			check(t, "the last one", tree(t, dir), map[string]string{"out.tar": "one"})
			r, err := durable.ResumeOutput(path)
			if err == nil {
				err = r.Begin([]byte("plan"), []int64{2 << 20})
			}
			if err == nil {
				err = r.Part(0, 0).Mark(0, 2<<20)
			}
			if err != nil || r.Keep() {
				t.Errorf("it kept something: %v", err)
			}
			check(t, "in the end", tree(t, dir), map[string]string{"out.tar": "one"})
		})
	}
}
