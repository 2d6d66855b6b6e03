//go:build linux

package crash

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"drayage/test/reliability"
)

// scenario is a command whose process is killed at each of its steps in turn.
type scenario struct {
	name    string
	seed    func(w *world)          // puts images into the registry
	prepare func(w *world)          // puts into the directory what is there before
	args    func(w *world) []string // of drayage
	stdin   string                  // a file, if there is to be something
	code    int                     // of a run to its end
	sound   func(p *point) error    // checks what a kill has left
	counts  func(call) string       // nil: changesFiles
	pushes  bool                    // into a registry that is fresh for each point
	base    func(w *world)          // puts into the fresh registry what is there before
}

// point is one kill of one scenario.
type point struct {
	*world
	s      scenario
	before map[string]string // what was there
	index  *index            // of the layout that was there, if any
	clean  map[string]string // what is there after a run to its end
	aside  string            // a directory for what is said
}

// sampled is how many points of a scenario are tried on the short way.
const sampled = 10

// tree is the content of a directory, to be put there again.
type tree struct {
	files map[string][]byte
	dirs  []string
}

func (w *world) tree() tree {
	t := tree{files: map[string][]byte{}}
	err := filepath.WalkDir(w.dir, func(path string, e fs.DirEntry, err error) error {
		name, _ := filepath.Rel(w.dir, path)
		if err != nil || name == "." {
			return err
		}
		if e.IsDir() {
			t.dirs = append(t.dirs, name)
			return nil
		}
		t.files[name] = w.read(name)
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	return t
}

func (w *world) restore(t tree) {
	w.empty()
	for _, d := range t.dirs {
		if err := os.MkdirAll(w.path(d), 0o755); err != nil {
			w.Fatal(err)
		}
	}
	for name, content := range t.files {
		w.write(name, content)
	}
}

// tally is what came of all points of a scenario.
type tally struct {
	points   int // in one run to its end
	tried    int
	survived int
}

func TestKillPoints(t *testing.T) {
	everyPoint(t, scenarios, (*point).tryKill, func(rows [][]string) {
		enter(t, "20-kill-points", killPointsSection(rows))
	})
}

// everyPoint tries something at each point of some scenarios, and then calls done with a row of figures for
// each.
func everyPoint(t *testing.T, scenarios []scenario, try func(*point, int) (string, error),
	done func(rows [][]string)) {
	var mu sync.Mutex
	outcomes := map[string]tally{}
	t.Cleanup(func() { // when the parallel scenarios have ended
		var rows [][]string
		var sum tally
		for _, s := range scenarios {
			if o, ok := outcomes[s.name]; ok {
				rows = append(rows, o.row(s.name))
				sum.points, sum.tried, sum.survived = sum.points+o.points, sum.tried+o.tried, sum.survived+o.survived
			}
		}
		if len(rows) == len(scenarios) {
			done(append(rows, sum.row("all")))
		}
	})
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			o := s.run(t, try)
			mu.Lock()
			defer mu.Unlock()
			outcomes[s.name] = o
		})
	}
}

func (o tally) row(name string) []string {
	return []string{name, fmt.Sprint(o.points), fmt.Sprint(o.tried), fmt.Sprint(o.survived)}
}

func killPointsSection(rows [][]string) reliability.Section {
	return reliability.Section{
		Title: "Killed at every step",
		Text: "The test runs the binary as users have it, under ptrace. The test kills it at its N-th system " +
			"call that creates, writes, syncs, renames or removes a file. If the command pushes, calls that send " +
			"something count too. N goes from 1 to the end of the run. After each kill four things hold. " +
			"Every blob is what its name says. index.json names only complete images, and has lost none. An " +
			"output has its old content or its new one. A tag leads to a complete image. Then the same " +
			"command succeeds, and does not transfer again what had arrived whole. It leaves, byte for " +
			"byte, what a run without a kill leaves.",
		Head: []string{"command", "points", "tried", "survived"},
		Rows: rows,
	}
}

// run tries something at the points of the scenario. try returns the call that was struck, or nothing if the
// command came to its end before.
func (s scenario) run(t *testing.T, try func(*point, int) (string, error)) (o tally) {
	p, template, calls := s.begin(t)
	o.points = calls
	for _, n := range choose(o.points) {
		p.restore(template)
		was, err := try(p, n)
		if was == "" && err == nil {
			break // it has ended before: that was the last one
		}
		o.tried++
		if err == nil {
			o.survived++
			continue
		}
		t.Errorf("struck at call %d, %s: %v", n, was, err)
		if o.tried-o.survived >= 5 {
			t.Fatal("that is enough")
		}
	}
	return o
}

// begin runs the command to its end. It returns what was there before, and how many points there are.
func (s scenario) begin(t *testing.T) (*point, tree, int) {
	w := newWorld(t)
	if s.counts == nil {
		s.counts = changesFiles
	}
	if s.seed != nil {
		s.seed(w)
	}
	if s.prepare != nil {
		s.prepare(w)
	}
	p := &point{world: w, s: s, before: w.snapshot(), aside: t.TempDir()}
	p.index, _ = readIndex(w.path("images"))
	template := w.tree()
	e, r := p.trace(strike{name: s.counts})
	if e.struck || e.status.ExitStatus() != s.code {
		t.Fatalf("left alone: %s", r)
	}
	if err := s.sound(p); err != nil {
		t.Fatalf("left alone: %v", err)
	}
	p.clean = p.state()
	return p, template, e.calls
}

// choose are the points to try: all, and some more because runs differ, or a sample that begins somewhere.
// The first and the last one are always among them: no seed decides whether they are tried.
func choose(points int) (all []int) {
	if *soak {
		for n := range points * 2 {
			all = append(all, n+1)
		}
		return all
	}
	all = append(all, 1)
	step := max((points-2)/(sampled-2), 1)
	for n := 2 + rand.New(rand.NewPCG(*seed, 1)).IntN(step); n < points; n += step {
		all = append(all, n)
	}
	if points > 1 {
		all = append(all, points)
	}
	return all
}

// TestChoose holds that a sample has the first and the last point, and few others.
func TestChoose(t *testing.T) {
	for points := 1; points < 1000; points++ {
		all := choose(points)
		ordered := slices.IsSorted(all) && len(slices.Compact(slices.Clone(all))) == len(all)
		if all[0] != 1 || !slices.Contains(all, points) || !ordered || !*soak && len(all) > 2*sampled {
			t.Fatalf("of %d points: %v", points, all)
		}
	}
}

// trace runs the command until it is struck.
func (p *point) trace(st strike) (ended, result) {
	p.Helper()
	p.Reset()
	if p.s.pushes {
		p.fresh()
	}
	if p.s.base != nil {
		p.s.base(p.world)
	}
	args := p.s.args(p.world)
	cmd := exec.Command(binary, args...)
	p.isolate(cmd)
	if p.s.stdin != "" {
		in, err := os.Open(p.path(p.s.stdin))
		if err != nil {
			p.Fatal(err)
		}
		defer in.Close()
		cmd.Stdin = in
	}
	said, err := os.CreateTemp(p.aside, "")
	if err != nil {
		p.Fatal(err)
	}
	defer os.Remove(said.Name())
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said
	e, err := strikeAt(cmd, st)
	if errors.Is(err, syscall.EPERM) {
		absent(p.T, "processes cannot be traced here")
	}
	if err != nil {
		p.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	raw, err := os.ReadFile(said.Name())
	if err != nil {
		p.Fatal(err)
	}
	return e, result{args: args, code: e.status.ExitStatus(), stderr: string(raw)}
}

// tryKill kills the command at its n-th call, looks at what is left, and runs it again.
func (p *point) tryKill(n int) (at string, err error) {
	e, r := p.trace(strike{n: n, name: p.s.counts})
	if !e.struck {
		if e.status.ExitStatus() != p.s.code {
			return "", fmt.Errorf("not killed, but %s", r)
		}
		return "", p.complete()
	}
	if err := p.s.sound(p); err != nil {
		return e.at, err
	}
	spared := p.arrived()
	p.Reset()
	if err := p.runAgain(); err != nil {
		return e.at, err
	}
	for _, path := range spared {
		if n := p.moved(path); n > 0 {
			return e.at, fmt.Errorf("%s had arrived, and %d bytes of it were transferred again", path, n)
		}
	}
	return e.at, cmp.Or(p.s.sound(p), p.complete())
}

func (p *point) runAgain() error {
	cmd := p.command(append([]string{binary}, p.s.args(p.world)...)...)
	if p.s.stdin != "" {
		cmd.Stdin = bytes.NewReader(p.read(p.s.stdin))
	}
	if r := p.finish(cmd); r.code != p.s.code {
		return fmt.Errorf("the second run: %s", r)
	}
	return nil
}

// complete checks that all is as a run to its end leaves it.
func (p *point) complete() error {
	if d := differences(p.clean, p.state()); len(d) > 0 {
		slices.Sort(d)
		return fmt.Errorf("other than after a run to its end: %s", strings.Join(d, ", "))
	}
	return nil
}
