//go:build linux

package crash

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"drayage/test/reliability"
)

// soaks are the commands that are killed at random moments.
var soaks = []struct {
	scenario
	share    int   // of a hundred kills
	most     int64 // bytes that one kill may cost; 0: all of them
	parallel bool  // large blobs come by several streams
}{
	{scenario{name: "fetch", seed: seedHeavy, args: fetching("heavy"), sound: soundImages}, 35,
		streams * streamLoss, true},
	{scenario{name: "save --format oci", seed: seedHeavy, args: saving("heavy", formatOCI), sound: soundTar}, 30,
		streams * streamLoss, true},
	{scenario{name: "save", seed: seedHeavy, args: saving("heavy", formatDocker), sound: soundTar}, 5, 0, false},
	{scenario{name: "push of a layout", seed: seedHeavy, prepare: heavyLayout, args: pushing("images"),
		sound: soundPush, pushes: true}, 15, 0, false},
	{scenario{name: "push of a tar", seed: seedHeavy, prepare: heavyTar, args: pushing("old.tar"),
		sound: soundPush, pushes: true}, 15, 0, false},
}

// rangeSize is what one worker of a large blob has in hand, and streams how many of them the blobs of heavy
// have together. A kill costs each at most what it had not marked and what was on its way to it.
const (
	rangeSize  = 4 << 20
	streams    = 3 + 2
	streamLoss = 1 << 20
)

func seedHeavy(w *world)   { w.put("heavy", 12<<20, 3<<20, 500<<10) }
func heavyLayout(w *world) { w.must("fetch", w.ref("heavy:1"), "-o", "images") }
func heavyTar(w *world)    { w.must("save", w.ref("heavy:1"), "-o", "old.tar") }

// shots is what came of random kills of one command.
type shots struct {
	kills, survived int
	again           []int64 // bytes that were transferred more than once, by kill
	weight          int64   // bytes of a run to its end
}

func TestRandomKills(t *testing.T) {
	total := 30
	if *soak {
		total = 1000
	}
	t.Logf("seed %d, %d kills", *seed, total)
	var mu sync.Mutex
	outcomes := map[string]shots{}
	t.Cleanup(func() {
		if len(outcomes) == len(soaks) {
			enter(t, "22-random-kills", randomSection(outcomes))
		}
	})
	for i, s := range soaks {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			g := newGallery(t, s.scenario, s.most, s.parallel)
			o := g.shoot(max(total*s.share/100, 1), rand.New(rand.NewPCG(*seed, uint64(i))))
			mu.Lock()
			defer mu.Unlock()
			outcomes[s.name] = o
		})
	}
}

func randomSection(outcomes map[string]shots) reliability.Section {
	s := reliability.Section{
		Title: "Killed at random moments",
		Text: "Each command gets SIGKILL after a random time. A registry on this machine sends or takes at " +
			"most 64 KiB a millisecond and connection. For fetch and save --format oci it is half of that, " +
			"so that three streams at once bring the largest layer. What is left is checked as above, and " +
			"the same command finishes the work. \"Sent again\" is what both runs together transferred " +
			"beyond what one run takes. What the kill destroyed on its way counts too. The image has layers " +
			"of 12 MB, 3 MB and 0.5 MB.",
		Head: []string{"command", "kills", "survived", "sent again, mean", "most", "of"},
	}
	var kills, survived int
	for _, one := range soaks {
		o := outcomes[one.name]
		kills, survived = kills+o.kills, survived+o.survived
		s.Rows = append(s.Rows, []string{one.name, fmt.Sprint(o.kills), fmt.Sprint(o.survived), kib(mean(o.again)),
			kib(most(o.again)), kib(o.weight)})
	}
	s.Rows = append(s.Rows, []string{"all", fmt.Sprint(kills), fmt.Sprint(survived), "", "", ""})
	return s
}

func kib(n int64) string { return fmt.Sprintf("%d KiB", (n+512)>>10) }

func mean(all []int64) (sum int64) {
	if len(all) == 0 {
		return 0
	}
	for _, n := range all {
		sum += n
	}
	return sum / int64(len(all))
}

func most(all []int64) int64 {
	if len(all) == 0 {
		return 0
	}
	return slices.Max(all)
}

// gallery is where a command is shot at.
type gallery struct {
	*point
	template tree
	bound    int64
	weight   int64
	took     time.Duration // a run to its end
}

func newGallery(t *testing.T, s scenario, bound int64, parallel bool) *gallery {
	w := newWorld(t)
	s.seed(w)
	if s.prepare != nil {
		s.prepare(w)
	}
	var c *crowd
	if parallel {
		c = w.trickle(lanePause)
	} else {
		w.slow()
	}
	g := &gallery{point: &point{world: w, s: s, before: w.snapshot()}, template: w.tree(), bound: bound}
	if s.pushes {
		g.fresh()
	}
	w.Reset()
	began := time.Now()
	w.must(s.args(w)...)
	g.took = time.Since(began)
	w.settle()
	g.clean, g.weight = g.state(), g.transferred()
	if parallel && c.most < 3 {
		t.Errorf("the largest blob came by %d streams at once, so the kills show nothing", c.most)
	}
	return g
}

func (g *gallery) transferred() int64 {
	if g.s.pushes {
		return g.up()
	}
	return g.down()
}

// shoot kills the command n times, each time with nothing done before, and lets it finish.
func (g *gallery) shoot(n int, random *rand.Rand) (o shots) {
	o.weight = g.weight
	for missed := 0; o.kills < n; {
		g.restore(g.template)
		if g.s.pushes {
			g.fresh()
		}
		g.Reset()
		after := time.Duration(random.Int64N(int64(g.took) * 9 / 8))
		if !g.killAfter(after) {
			if missed++; missed > 2*n+20 {
				g.Fatalf("it ends before it can be killed: %d times of %d", missed, missed+o.kills)
			}
			continue
		}
		o.kills++
		again, err := g.recover()
		if err != nil {
			g.Errorf("killed after %v, seed %d: %v", after, *seed, err)
			continue
		}
		o.survived++
		o.again = append(o.again, again)
	}
	g.Logf("sent again: %s on average, %s at most, of %s", kib(mean(o.again)), kib(most(o.again)), kib(o.weight))
	return o
}

// killAfter reports whether the command was still running then.
func (g *gallery) killAfter(d time.Duration) bool {
	g.Helper()
	cmd := exec.Command(binary, g.s.args(g.world)...)
	g.isolate(cmd)
	if err := cmd.Start(); err != nil {
		g.Fatal(err)
	}
	shot := time.AfterFunc(d, func() { cmd.Process.Kill() })
	defer shot.Stop()
	cmd.Wait()
	g.settle()
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() && status.ExitStatus() != 0 {
		g.Errorf("%s ended by itself with %v", strings.Join(g.s.args(g.world), " "), status.ExitStatus())
	}
	return status.Signaled()
}

// recover looks at what a kill has left, runs the command again and returns how much was transferred more
// than once.
//
// A kill may come after the output has its name. Nothing is lost then, and a second run is new work.
func (g *gallery) recover() (again int64, err error) {
	if err := g.s.sound(g.point); err != nil {
		return 0, err
	}
	finished := g.clean["image.tar"] != "" && g.snapshot()["image.tar"] == g.clean["image.tar"]
	if r := g.drayage(g.s.args(g.world)...); r.code != 0 {
		return 0, fmt.Errorf("the second run: %s", r)
	}
	g.settle()
	if !finished {
		again = max(g.transferred()-g.weight, 0)
	}
	if g.bound > 0 && again > g.bound {
		return again, fmt.Errorf("%s were transferred again", kib(again))
	}
	return again, g.complete()
}
