//go:build linux

package crash

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"drayage/test/reliability"
)

// work is what each tool is killed at.
type work struct {
	name    string
	args    func(o tool, w *world) []string // nil: the tool cannot do it
	prepare func(o tool, w *world)          // makes what is to be pushed; nil: it is fetched
}

var works = []work{
	{"registry to layout", func(o tool, w *world) []string { return o.fetch(w, w.ref("weighty:1"), "1") }, nil},
	{"registry to tar", func(o tool, w *world) []string {
		if o.save == nil {
			return nil
		}
		return o.save(w, w.ref("weighty:1"))
	}, nil},
	{"layout to registry", func(o tool, w *world) []string { return o.push(w, w.ref("copy:1")) }, weightyLayout},
	{"tar to registry", func(o tool, w *world) []string {
		if o.load == nil {
			return nil
		}
		return o.load(w, w.ref("copy:1"))
	}, func(_ tool, w *world) { w.must("save", w.ref("weighty:1"), "-o", "image.tar") }},
}

// moved are the bytes of blobs that have been transferred.
func (k work) moved(w *world) int64 {
	if k.prepare != nil {
		return w.up()
	}
	return w.down()
}

func seedWeighty(w *world) { w.put("weighty", 24<<20, 12<<20, 6<<20, 3<<20, 1<<20) }

// weightyLayout is made by drayage, but for one tool that takes a layout of one image by what itself writes.
func weightyLayout(o tool, w *world) {
	fetch := tools()[0].fetch
	if o.name == "crane" {
		fetch = o.fetch
	}
	if r := w.finish(w.command(fetch(w, w.ref("weighty:1"), "1")...)); r.code != 0 {
		w.Fatalf("%s", r)
	}
}

// Each tool is killed when the same parts of the same image have been transferred, and run again. Drayage is
// always tried, once; where figures are asked for, so are the others.
func TestTransferredAgain(t *testing.T) {
	parts, rounds := []int{50}, 1
	if *update || *soak {
		parts, rounds = []int{25, 50, 75}, 2
	}
	s := reliability.Section{
		Title: "Transferred again after a kill",
		Text: fmt.Sprintf(
			"Each tool gets SIGKILL when a quarter, half and three quarters of the image's bytes have been "+
				"transferred, %d times each and each time from nothing. Then the same command runs again. The "+
				"figure is what both runs together transferred beyond what one run takes, on average. The image "+
				"has layers of 24 MB, 12 MB, 6 MB, 3 MB and 1 MB. The registry sends or takes 64 KiB a "+
				"millisecond and connection, and counts. Fetches read from the registry of the other tests "+
				"here. Pushes go to distribution 3.", rounds),
		Head: []string{"work", "tool", "again after 25%", "after 50%", "after 75%", "of"},
	}
	for _, k := range works {
		for _, o := range tools() {
			if !o.present() || o.name != "drayage" && rounds == 1 {
				continue
			}
			if row := newWorld(t).killAtParts(o, k, parts, rounds); row != nil {
				s.Rows = append(s.Rows, append([]string{k.name, o.version(t)}, row...))
			}
		}
	}
	enter(t, "23-again", s)
}

// killAtParts returns the cells of one tool, or nil if it cannot do the work.
func (w *world) killAtParts(o tool, k work, parts []int, rounds int) (cells []string) {
	w.Helper()
	argv := k.args(o, w)
	if argv == nil {
		return nil
	}
	w.begin(o, k)
	if r := w.finish(w.command(argv...)); r.code != 0 {
		w.Errorf("%s: %s", k.name, r)
		return nil
	}
	w.settle()
	weight := k.moved(w)
	for _, part := range parts {
		var again []int64
		for range rounds {
			w.begin(o, k)
			if w.killWhen(argv, func() bool { return k.moved(w) >= weight*int64(part)/100 }) {
				again = append(again, w.again(o, k, argv)-weight)
			}
		}
		switch {
		case len(again) == 0:
			w.Errorf("%s, %s: it has ended before it was killed at %d%%", k.name, o.name, part)
			cells = append(cells, "")
			continue
		case o.name == "drayage" && k.prepare == nil && most(again) > 4*rangeSize:
			w.Errorf("%s, killed at %d%%: %s of %s were transferred again", k.name, part, kib(most(again)),
				kib(weight))
		}
		cells = append(cells, kib(max(mean(again), 0)))
	}
	return append(cells, kib(weight))
}

// begin makes everything as it was before a tool has done anything.
func (w *world) begin(o tool, k work) {
	w.Heal()
	w.empty()
	w.fresh()
	seedWeighty(w)
	if k.prepare != nil {
		k.prepare(o, w)
		w.distribution()
	}
	w.slow()
	w.Reset()
}

// again finishes the work after a kill, and returns all bytes that were transferred.
func (w *world) again(o tool, k work, argv []string) int64 {
	w.Helper()
	if r := w.finish(w.command(argv...)); r.code != 0 {
		w.Logf("after a kill: %s", r)
		if o.name == "drayage" || k.prepare != nil {
			w.Fatal("it does not do its work any more")
		}
		w.remove("images", "image.tar") // what it leaves keeps it from going on
		if r := w.finish(w.command(argv...)); r.code != 0 {
			w.Fatalf("%s", r)
		}
	}
	w.settle()
	return k.moved(w)
}

// killWhen kills a command when something has happened. It reports whether the command was still running
// then.
func (w *world) killWhen(argv []string, happened func() bool) bool {
	w.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	w.isolate(cmd)
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for running := true; running && !happened(); {
		select {
		case <-ended:
			running = false
		case <-tick.C:
		}
	}
	cmd.Process.Kill()
	<-ended
	w.settle()
	return cmd.ProcessState.ExitCode() == -1
}

func (w *world) remove(names ...string) {
	for _, n := range names {
		if err := os.RemoveAll(w.path(n)); err != nil {
			w.Fatal(err)
		}
	}
}
