//go:build linux

package serving

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// field is a number in a file of /proc, such as VmHWM in status.
func (s *server) field(file, name string) int64 {
	s.t.Helper()
	raw, err := os.ReadFile(s.proc(file))
	if err != nil {
		s.t.Fatal(err)
	}
	for row := range strings.Lines(string(raw)) {
		key, value, _ := strings.Cut(row, ":")
		if key == name {
			n, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return n
		}
	}
	s.t.Fatalf("%s has no %s", s.proc(file), name)
	return 0
}

// peak is the most memory that the server has held so far, in MiB.
func (s *server) peak() int64 { return s.field("status", "VmHWM") >> 10 }

// files counts what the server has open.
func (s *server) files() int {
	s.t.Helper()
	open, err := os.ReadDir(s.proc("fd"))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(open)
}

// quiet lets the client pull once and hang up, and counts the files that the server has open then.
func (s *server) quiet(c *client, p pulled) int {
	s.t.Helper()
	if err := c.pull(s.t.Context(), p, 2); err != nil {
		s.t.Fatal(err)
	}
	c.hangUp()
	s.rests()
	return s.files()
}

// rests waits until the server has used no processor time, none of its threads has waited for a processor,
// and its open files have stayed the same for a while. Goroutines that end after a client has gone have ended
// then: Go's server lingers over a connection that it closes for half a second.
func (s *server) rests() {
	s.t.Helper()
	const turn, enough = 20 * time.Millisecond, 35
	last, same := "", 0
	for deadline := time.Now().Add(stopTimeout); same < enough; time.Sleep(turn) {
		used, ready := s.ticks()
		now := fmt.Sprint(used, s.files())
		if same++; ready || now != last {
			last, same = now, 0
		}
		if time.Now().After(deadline) {
			s.t.Fatal("the server goes on working although nobody asks anything")
		}
	}
}

// ticks is the processor time that each thread of the server has used, and whether one has work to do.
func (s *server) ticks() (used []string, ready bool) {
	s.t.Helper()
	threads, err := os.ReadDir(s.proc("task"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, thread := range threads {
		for _, file := range []string{"schedstat", "stat"} {
			raw, err := os.ReadFile(s.proc(filepath.Join("task", thread.Name(), file)))
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESRCH) {
				s.t.Fatal(err)
			}
			if file == "schedstat" {
				used = append(used, string(raw))
			} else {
				ready = ready || strings.Contains(string(raw), ") R ")
			}
		}
	}
	return used, ready
}

// settles waits until the server has no more files open than before.
func (s *server) settles(before int) {
	s.t.Helper()
	for deadline := time.Now().Add(stopTimeout); s.files() > before; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the server has %d files open, and %d before", s.files(), before)
		}
	}
}

// goroutines ends the server with a signal on which Go lists all goroutines, and counts those that are not
// of Go's own. Number 0 is a thread that had nothing to do when the signal came to it.
func (s *server) goroutines() (n int) {
	s.t.Helper()
	s.signal(syscall.SIGQUIT)
	s.wait()
	for stack := range strings.SplitSeq(s.log.String(), "\n\n") {
		if strings.HasPrefix(stack, "goroutine ") && !strings.HasPrefix(stack, "goroutine 0 ") &&
			!strings.Contains(stack, "created by runtime.") {
			n++
		}
	}
	if n == 0 {
		s.t.Fatalf("no goroutine is listed:\n%s", s.log)
	}
	return n
}

// idleGoroutines counts those of a server that has nothing to do.
func idleGoroutines(t *testing.T, p pulled, args ...string) int {
	t.Helper()
	s := start(t, args...)
	s.quiet(newClient(t, s), p)
	return s.goroutines()
}
