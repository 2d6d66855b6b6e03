//go:build linux

package crash

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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

// killed is what came of all points of a scenario.
type killed struct {
	points   int // in one run to its end
	tried    int
	survived int
}

func TestKillPoints(t *testing.T) {
	var mu sync.Mutex
	outcomes := map[string]killed{}
	t.Cleanup(func() { // when the parallel scenarios have ended
		var rows [][]string
		for _, s := range scenarios {
			if o, ok := outcomes[s.name]; ok {
				rows = append(rows, []string{s.name, fmt.Sprint(o.points), fmt.Sprint(o.tried), fmt.Sprint(o.survived)})
			}
		}
		if len(rows) == len(scenarios) {
			enter(t, "1-kill-points", killPointsSection(rows))
		}
	})
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			o := s.run(t)
			mu.Lock()
			defer mu.Unlock()
			outcomes[s.name] = o
		})
	}
}

func killPointsSection(rows [][]string) reliability.Section {
	return reliability.Section{
		Title: "Killed at every step",
		Text: "The binary as users have it is run under ptrace and killed at the N-th system call with which it creates, writes, syncs, renames or removes a file, or, " +
			"where something is pushed, sends something; N goes from 1 to the end of the run. After each kill every blob is what its name says, index.json names only what is whole and has lost nothing, " +
			"an output has its old content or its new one, and a tag leads to what is whole. Then the same command succeeds, does not transfer again what had arrived whole, " +
			"and leaves, byte for byte, what a run without a kill leaves.",
		Head: []string{"command", "points", "tried", "survived"},
		Rows: rows,
	}
}

func (s scenario) run(t *testing.T) (o killed) {
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
	e, r := p.trace(0)
	if e.killed || e.status.ExitStatus() != s.code {
		t.Fatalf("without a kill: %s", r)
	}
	if err := s.sound(p); err != nil {
		t.Fatalf("without a kill: %v", err)
	}
	p.clean, o.points = p.state(), e.calls
	for _, n := range choose(o.points) {
		w.restore(template)
		was, err := p.try(n)
		if was == "" && err == nil {
			break // it has ended before: that was the last one
		}
		o.tried++
		if err == nil {
			o.survived++
			continue
		}
		t.Errorf("killed at call %d, %s: %v", n, was, err)
		if o.tried-o.survived >= 5 {
			t.Fatal("that is enough")
		}
	}
	return o
}

// choose are the points to try: all, and some more because runs differ, or a sample that begins somewhere.
func choose(points int) (all []int) {
	if *soak {
		for n := range points * 2 {
			all = append(all, n+1)
		}
		return all
	}
	step := max(points/sampled, 1)
	for n := 1 + rand.New(rand.NewPCG(*seed, 1)).IntN(step); n <= points; n += step {
		all = append(all, n)
	}
	return all
}

// trace runs the command until its n-th call.
func (p *point) trace(n int) (ended, result) {
	p.Helper()
	p.Reset()
	if p.s.pushes {
		p.fresh()
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
	e, err := killAtCall(cmd, n, p.s.counts)
	if err != nil {
		p.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	raw, err := os.ReadFile(said.Name())
	if err != nil {
		p.Fatal(err)
	}
	return e, result{args: args, code: e.status.ExitStatus(), stderr: string(raw)}
}

// try kills the command at its n-th call, looks at what is left, and runs it again. It returns the call, or nothing if the command came to its end.
func (p *point) try(n int) (at string, err error) {
	e, r := p.trace(n)
	if !e.killed {
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
	cmd := p.command(append([]string{binary}, p.s.args(p.world)...)...)
	if p.s.stdin != "" {
		cmd.Stdin = bytes.NewReader(p.read(p.s.stdin))
	}
	if r := p.finish(cmd); r.code != p.s.code {
		return e.at, fmt.Errorf("the second run: %s", r)
	}
	for _, path := range spared {
		if n := p.moved(path); n > 0 {
			return e.at, fmt.Errorf("%s had arrived, and %d bytes of it were transferred again", path, n)
		}
	}
	return e.at, cmp.Or(p.s.sound(p), p.complete())
}

// complete checks that all is as a run to its end leaves it.
func (p *point) complete() error {
	if d := differences(p.clean, p.state()); len(d) > 0 {
		slices.Sort(d)
		return fmt.Errorf("other than after a run to its end: %s", strings.Join(d, ", "))
	}
	return nil
}
