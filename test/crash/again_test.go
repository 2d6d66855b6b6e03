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

// works are what each tool is killed at.
var works = []struct {
	name  string
	args  func(o tool, w *world) []string // nil: the tool cannot do it
	moved func(w *world) int64
}{
	{"registry to layout", func(o tool, w *world) []string { return o.fetch(w, w.ref("heavy:1"), "1") }, (*world).down},
	{"registry to tar", func(o tool, w *world) []string {
		if o.save == nil {
			return nil
		}
		return o.save(w, w.ref("heavy:1"))
	}, (*world).down},
	{"layout to registry", func(o tool, w *world) []string { return o.push(w, w.ref("copy:1")) }, (*world).up},
}

// Each tool is killed when the same parts of the same image have been transferred, and run again.
func TestTransferredAgain(t *testing.T) {
	if !*soak && !*update {
		t.Skip("this is slow: make soak has it")
	}
	parts := []int{50}
	if *soak {
		parts = []int{10, 20, 30, 40, 50, 60, 70, 80, 90}
	}
	s := reliability.Section{
		Title: "Transferred again after a kill",
		Text: fmt.Sprintf("Each tool is killed when %v per cent of the image's bytes have been transferred, each time from nothing, and run again; the figure is what both runs together transferred "+
			"beyond what one takes. The image and the registry are those of the random kills.", parts),
		Head: []string{"work", "tool", "again, mean", "most", "of"},
	}
	for _, work := range works {
		for _, o := range tools() {
			if !o.present() {
				continue
			}
			w := newWorld(t)
			if work.args(o, w) == nil {
				continue
			}
			again, weight := w.killAtParts(o, work.args, work.moved, parts)
			if weight == 0 {
				continue
			}
			if len(again) == 0 {
				t.Errorf("%s, %s: it was never killed", work.name, o.name)
				continue
			}
			s.Rows = append(s.Rows, []string{work.name, o.version(t), kib(mean(again)), kib(most(again)), kib(weight)})
		}
	}
	enter(t, "23-again", s)
}

// killAtParts returns what was transferred again after each kill.
func (w *world) killAtParts(o tool, args func(tool, *world) []string, moved func(*world) int64, parts []int) (again []int64, weight int64) {
	w.Helper()
	clean := func() {
		w.empty()
		w.fresh()
		seedHeavy(w)
		w.Heal()
		w.slow()
		heavyLayoutFor(w, o, args(o, w))
		w.Reset()
	}
	clean()
	if r := w.finish(w.command(args(o, w)...)); r.code != 0 && o.name == "drayage" {
		w.Fatalf("%s", r)
	} else if r.code != 0 {
		w.Logf("left out, as it cannot do this with this registry: %s", r)
		return nil, 0
	}
	w.settle()
	weight = moved(w)
	for _, part := range parts {
		clean()
		if !w.killWhen(args(o, w), func() bool { return moved(w) >= weight*int64(part)/100 }) {
			continue
		}
		if r := w.finish(w.command(args(o, w)...)); r.code != 0 {
			w.Logf("after a kill at %d%%: %s", part, r)
			w.remove("images", "image.tar") // what it leaves keeps it from going on
			if r := w.finish(w.command(args(o, w)...)); r.code != 0 {
				w.Fatalf("%s", r)
			}
		}
		w.settle()
		again = append(again, max(moved(w)-weight, 0))
	}
	return again, weight
}

// killWhen kills a command when something has happened. It reports whether the command was still running then.
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

// heavyLayoutFor makes what is to be pushed, if that is the work: argv names no image of the registry then.
func heavyLayoutFor(w *world, o tool, argv []string) {
	for _, a := range argv {
		if a == w.ref("copy:1") || a == "docker://"+w.ref("copy:1") {
			fetch := tools()[0].fetch
			if o.name == "crane" {
				fetch = o.fetch // it takes a layout with one image by what itself writes
			}
			if r := w.finish(w.command(fetch(w, w.ref("heavy:1"), "1")...)); r.code != 0 {
				w.Fatalf("%s", r)
			}
		}
	}
}

func (w *world) remove(names ...string) {
	for _, n := range names {
		if err := os.RemoveAll(w.path(n)); err != nil {
			w.Fatal(err)
		}
	}
}
