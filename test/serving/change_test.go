//go:build linux

package serving

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestDamage serves a tar in which a byte of one layer is wrong: whoever pulls that layer is cut off, with
// less than all of it, and everyone else is not.
func TestDamage(t *testing.T) {
	a := newArchive(t).add("team/good", "1", 4, 8_000_000).add("team/bad", "1", 5, 8_000_000)
	tar := a.tar()
	bad := a.images[1]
	hurt(t, tar, a.blob(bad.blobs[0].Digest.Encoded()), 7_000_000)
	s := start(t, tar)
	c := newClient(t, s)
	err := together(clients, func(i int) error {
		if i%2 == 0 {
			return c.pull(t.Context(), a.images[0], int64(1+i%4))
		}
		err := c.pull(t.Context(), bad, int64(1+2*(i%4/2)))
		if err == nil {
			return errors.New("the damaged image arrives")
		}
		if strings.Contains(err.Error(), "the digest is") {
			return errors.New("the damaged layer arrives whole: " + err.Error())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	c.hangUp()
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if want := bad.blobs[0].Digest.String(); !strings.Contains(s.log.String(), want) {
		t.Errorf("the damaged blob %s is not named", want)
	}
	came(t, "each pull of that layer is cut before its end and the layer is named; all others arrive")
}

// TestDamageMeanwhile changes a byte behind what 64 clients have read so far.
func TestDamageMeanwhile(t *testing.T) {
	a := newArchive(t).add("team/app", "1", 6, 30_000_000).add("team/other", "1", 7, 8_000_000)
	tar := a.tar()
	s := start(t, tar)
	c := newClient(t, s)
	d := a.images[0].blobs[0]
	var bodies []*http.Response
	for range clients {
		resp, err := c.get(t.Context(), "team/app/blobs/"+d.Digest.String())
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		bodies = append(bodies, resp)
	}
	hurt(t, tar, a.blob(d.Digest.Encoded()), 29_000_000)
	err := together(clients, func(i int) error {
		if n, err := io.Copy(io.Discard, bodies[i].Body); err == nil || n == d.Size {
			return errors.New("a layer arrives that was changed meanwhile")
		}
		return nil
	})
	if err := errors.Join(err, c.pull(t.Context(), a.images[1], 1)); err != nil {
		t.Error(err)
	}
	came(t, "all 64 are cut before the end; another image arrives")
}

// hurt changes a byte of a blob in a tar.
func hurt(t *testing.T, tar, blob string, at int) {
	t.Helper()
	content, err := os.ReadFile(blob)
	if err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadFile(tar)
	if err != nil {
		t.Fatal(err)
	}
	begin := bytes.Index(all, content[:4096])
	f, err := os.OpenFile(tar, os.O_WRONLY, 0)
	if err != nil || begin < 0 {
		t.Fatal(begin, err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{^content[at]}, int64(begin+at)); err != nil {
		t.Fatal(err)
	}
}

// TestReload replaces the archive again and again, and tells the server, while clients pull an image that
// is in every one of them. No request fails, and what is new is there.
func TestReload(t *testing.T) {
	first := newArchive(t).add("team/app", "1", 8, 300_000).addMany(20)
	served := filepath.Join(t.TempDir(), "served.tar")
	if err := os.Link(first.tar(), served); err != nil {
		t.Fatal(err)
	}
	s := start(t, served)
	c := newClient(t, s)
	before := s.quiet(c, first.images[0])
	ctx, enough := context.WithCancel(t.Context())
	var pulls atomic.Int64
	pulling := make(chan error, 1)
	go func() {
		pulling <- together(16, func(i int) error {
			for ctx.Err() == nil {
				if err := c.pull(t.Context(), first.images[i%len(first.images)], int64(1+i%2)); err != nil {
					return err
				}
				pulls.Add(1)
			}
			return nil
		})
	}()
	for i := range 12 {
		first.add("team/new", string(rune('a'+i)), uint64(100+i), 1000)
		if err := os.Rename(first.tar(), served); err != nil {
			t.Fatal(err)
		}
		s.signal(syscall.SIGHUP)
		added := first.images[len(first.images)-1]
		for deadline := time.Now().Add(readyTimeout); c.pull(t.Context(), added, 1) != nil; {
			if time.Now().After(deadline) {
				t.Fatalf("%s has not come", added.name)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	enough()
	if err := <-pulling; err != nil {
		t.Errorf("after %d pulls: %v", pulls.Load(), err)
	}
	c.hangUp()
	s.settles(before)
	came(t, fmt.Sprintf("%d pulls, and no request fails; what is new is there; old files are closed",
		pulls.Load()))
}

// TestReloadOfNonsense keeps what was served when the archive on disk cannot be read.
func TestReloadOfNonsense(t *testing.T) {
	a := newArchive(t).add("team/app", "1", 9, 300_000)
	served := a.tar()
	s := start(t, served)
	c := newClient(t, s)
	nonsense := filepath.Join(t.TempDir(), "nonsense")
	if err := os.WriteFile(nonsense, bytes.Repeat([]byte("no tar\n"), 300), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(nonsense, served); err != nil {
		t.Fatal(err)
	}
	said := len(s.log.String())
	s.signal(syscall.SIGHUP)
	for deadline := time.Now().Add(readyTimeout); !strings.Contains(s.log.String()[said:], served); {
		if time.Now().After(deadline) {
			t.Fatalf("it is not said that %s cannot be read", served)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := c.pull(t.Context(), a.images[0], 1); err != nil {
		t.Error(err)
	}
	came(t, "what was served goes on being served, and the reason is told")
}

// TestArchiveGone takes away what is served. The server says so to whoever asks, and lives.
func TestArchiveGone(t *testing.T) {
	for _, way := range []struct {
		name string
		of   func(a *archive) string // what is served
		gone func(a *archive, served string) error
		left bool // an open file is read to its end
	}{
		{"tar deleted", func(a *archive) string { return a.tar() },
			func(_ *archive, served string) error { return os.Remove(served) }, true},
		{"tar cut", func(a *archive) string { return a.tar() },
			func(_ *archive, served string) error { return os.Truncate(served, 1000) }, false},
		{"layout deleted", func(a *archive) string { return a.layout },
			func(a *archive, _ string) error { return os.RemoveAll(a.layout) }, false},
	} {
		t.Run(way.name, func(t *testing.T) {
			a := newArchive(t).add("team/app", "1", 10, 5_000_000)
			served := way.of(a)
			s := start(t, served)
			c := newClient(t, s)
			if err := c.pull(t.Context(), a.images[0], 1); err != nil {
				t.Fatal(err)
			}
			if err := way.gone(a, served); err != nil {
				t.Fatal(err)
			}
			err := together(clients, func(i int) error {
				err := c.pull(t.Context(), a.images[0], int64(1+i%2))
				if way.left {
					return err
				}
				if err == nil {
					return errors.New("what is gone arrives")
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			s.signal(syscall.SIGHUP) // it keeps what it has, and says why
			if resp, err := c.get(t.Context(), ""); err != nil {
				t.Error(err)
			} else {
				resp.Body.Close()
			}
			c.hangUp()
			if code := s.stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
	came(t, "a deleted archive is served to its end; what is gone is an error for who asks; the server lives")
}
