//go:build linux

package crash

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"drayage/internal/fakeregistry"
	"drayage/test/reliability"
)

// stage is a moment at which drayage is told to stop.
type stage struct {
	name    string
	prepare func(w *world)
	args    func(w *world) []string
	reached func(w *world) bool
	keeps   func(w *world) error // nil: there is nothing to keep
}

// stopBound is how long drayage may take to stop on a machine that is busy with other things. What it takes
// is in the figures.
const stopBound = 10 * time.Second

var stages = []stage{
	{
		name: "resolving",
		prepare: func(w *world) {
			w.put("app", small)
			w.On(fakeregistry.Match{Path: "/manifests/"}, fakeregistry.Hang())
		},
		args:    fetching("app"),
		reached: func(w *world) bool { return len(w.Requests("", "/manifests/")) > 0 },
	},
	{
		name:    "transferring",
		prepare: func(w *world) { w.put("app", 12<<20); w.On(blobs, fakeregistry.Drip(8<<10, time.Millisecond)) },
		args:    fetching("app"),
		reached: func(w *world) bool { return w.down() > 2<<20 && w.partial() > 1<<20 },
		keeps:   keepsPartial(256 << 10),
	},
	{
		name:    "a registry that sends nothing more",
		prepare: func(w *world) { w.put("app", 3<<20); w.On(blobs, fakeregistry.Stall(1<<20)) },
		args:    fetching("app"),
		reached: func(w *world) bool { return w.partial() >= 900<<10 },
		keeps:   keepsPartial(900 << 10),
	},
	{
		name:    "writing a tar that can be gone on with",
		prepare: func(w *world) { w.put("app", 12<<20, 2<<20); w.On(blobs, fakeregistry.Stall(3<<20)) },
		args:    saving("app", formatOCI),
		reached: func(w *world) bool { return w.marked() >= 2<<20 },
		keeps: func(w *world) error {
			if fi, err := os.Stat(w.path("image.tar.partial")); err != nil || fi.Size() < 1<<20 {
				return fmt.Errorf("nothing was kept: %v", err)
			}
			return nil
		},
	},
	{
		name: "waiting because of Retry-After",
		prepare: func(w *world) {
			w.put("app", small)
			w.On(fakeregistry.Match{Path: "/manifests/"},
				fakeregistry.Status(http.StatusTooManyRequests, "Retry-After", "100"))
		},
		args:    fetching("app"),
		reached: func(w *world) bool { return answered(w.Requests("", "/manifests/"), http.StatusTooManyRequests) },
	},
	{
		name: "compressing for a push",
		prepare: func(w *world) {
			w.put("app", 24<<20)
			w.must("save", w.ref("app:1"), "-o", "old.tar")
			w.Reset()
		},
		args:    pushing("old.tar"),
		reached: func(w *world) bool { return len(w.Requests("PATCH", "/uploads/")) > 0 },
	},
	{
		name: "sending to a registry that does not read",
		prepare: func(w *world) {
			w.put("app", 12<<20)
			w.must("fetch", w.ref("app:1"), "-o", "images")
			w.On(fakeregistry.Match{Method: "PUT", Path: "/uploads/"}, w.unread)
		},
		args:    pushing("images"),
		reached: func(w *world) bool { return len(w.Requests("PUT", "/uploads/")) > 0 },
	},
}

var blobs = fakeregistry.Match{Method: http.MethodGet, Path: "/blobs/"}

func answered(all []fakeregistry.Entry, status int) bool {
	return slices.ContainsFunc(all, func(e fakeregistry.Entry) bool { return e.Status == status })
}

// unread takes nothing of a request's body until the client has ended. A server that does not read is not
// told when that is.
func (w *world) unread(http.Handler) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		<-w.over
		panic(http.ErrAbortHandler)
	})
}

func keepsPartial(least int64) func(*world) error {
	return func(w *world) error {
		if held := w.partial(); held < least {
			return fmt.Errorf("%d bytes of a blob were kept, want %d", held, least)
		}
		return nil
	}
}

// marked is how much of image.tar has been written and is remembered: blocks of 64 KiB, a byte each, behind
// the header and the plan in the file that says so.
func (w *world) marked() int {
	raw, err := os.ReadFile(w.path("image.tar.partial.marks"))
	const header = 16 + 32
	if err != nil || len(raw) < header {
		return 0
	}
	return bytes.Count(raw[header:], []byte{1}) * 64 << 10
}

// partial is the size of the largest partial blob in the layout.
func (w *world) partial() (held int64) {
	entries, _ := os.ReadDir(w.path("images/.drayage/partial"))
	for _, e := range entries {
		if fi, err := e.Info(); err == nil {
			held = max(held, fi.Size())
		}
	}
	return held
}

func TestSignals(t *testing.T) {
	var mu sync.Mutex
	took := map[string][]time.Duration{}
	for _, st := range stages {
		for sig, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143,
			syscall.SIGHUP: 129} {
			t.Run(fmt.Sprintf("%s/%v", st.name, sig), func(t *testing.T) {
				d := st.stop(t, code, sig)
				mu.Lock()
				defer mu.Unlock()
				took[st.name] = append(took[st.name], d)
			})
		}
	}
	s := reliability.Section{
		Title: "Time to stop",
		Text: "This is the time from SIGINT, SIGTERM or SIGHUP to the end of the process, while the machine " +
			"was busy with other tests. The process ended with exit code 130, 143 or 129, and kept what had " +
			"arrived.",
		Head: []string{"while", "median", "longest"},
	}
	var all []time.Duration
	row := func(name string, d []time.Duration) {
		slices.Sort(d)
		s.Rows = append(s.Rows, []string{name, fmt.Sprintf("%d ms", d[len(d)/2].Milliseconds()),
			fmt.Sprintf("%d ms", d[len(d)-1].Milliseconds())})
	}
	for _, st := range stages {
		if d := took[st.name]; len(d) > 0 {
			row(st.name, d)
			all = append(all, d...)
		}
	}
	if len(all) == 3*len(stages) {
		row("all", all)
		enter(t, "26-signals", s)
	}
}

// stop brings drayage to a stage, sends it signals, and returns how long it took to end.
func (st stage) stop(t *testing.T, code int, signals ...syscall.Signal) time.Duration {
	w := newWorld(t)
	st.prepare(w)
	cmd := exec.Command(binary, st.args(w)...)
	w.isolate(cmd)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(commandTimeout, func() { cmd.Process.Kill() })
	defer watchdog.Stop()
	w.await(st.name, func() bool { return st.reached(w) })
	asked := time.Now()
	for _, sig := range signals {
		cmd.Process.Signal(sig)
	}
	cmd.Wait()
	took := time.Since(asked)
	close(w.over)
	if took > stopBound {
		t.Errorf("it took %v to stop", took)
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case len(signals) > 1 && status.Signaled():
	case status.ExitStatus() != code:
		t.Errorf("it ended with %v, want exit code %d: %s", cmd.ProcessState, code, said.String())
	case len(signals) == 1 && st.keeps != nil:
		if err := st.keeps(w); err != nil {
			t.Error(err)
		}
	}
	if _, err := soundLayout(w.path("images")); err != nil {
		t.Error(err)
	}
	if strings.Contains(said.String(), "goroutine") {
		t.Errorf("it broke down: %s", said.String())
	}
	st.again(t, w)
	return took
}

// again checks that the same command does its work afterwards.
func (st stage) again(t *testing.T, w *world) {
	w.Heal()
	w.settle()
	w.must(st.args(w)...)
}

// A second signal ends drayage although something holds it up.
func TestSecondSignal(t *testing.T) {
	for _, st := range stages {
		t.Run(st.name, func(t *testing.T) { st.stop(t, 130, syscall.SIGINT, syscall.SIGINT) })
	}
}

// Waiting for a lock ends too.
func TestSignalWhileWaitingForALock(t *testing.T) {
	w := newWorld(t)
	w.put("app", small)
	w.must(fetching("app")(w)...)
	w.put("other", small)
	lock, err := os.OpenFile(w.path("images/.drayage/lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, fetching("other")(w)...)
	w.isolate(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.await("the lock file being opened", func() bool { return opened(cmd.Process.Pid, "/.drayage/lock") })
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 143 {
		t.Errorf("it ended with %v", cmd.ProcessState)
	}
	lock.Close()
	w.must(fetching("other")(w)...)
}

// opened reports whether a process has a file open whose path ends so.
func opened(pid int, end string) bool {
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if target, err := os.Readlink(dir + e.Name()); err == nil && strings.HasSuffix(target, end) {
			return true
		}
	}
	return false
}
