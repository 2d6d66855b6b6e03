//go:build linux

package reliability

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"

	"drayage/test/chart"
	"drayage/test/provide"
)

var (
	// binary is the absolute path of the drayage under test: DRAYAGE_BIN, or what is built of the parent module.
	binary string
	// scratch is a directory that is removed in the end.
	scratch string
	update  = flag.Bool("update", false, "enter the results into testdata and write docs/reliability.md")
)

const (
	results  = "testdata"
	document = "../../docs/reliability.md"
	drawings = "../../docs/pictures"
)

// slots bounds the tests that run at once. Most wait for drayage's pauses between tries far more than they
// compute.
var slots = make(chan struct{}, max(12, runtime.GOMAXPROCS(0)))

// slot waits for a slot and returns what frees it.
func slot() func() {
	slots <- struct{}{}
	return func() { <-slots }
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	// Processes that the tests start take SIGHUP even where the tests were started by nohup.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGHUP)
	defer stop()
	dir, err := os.MkdirTemp("", "drayage-reliability-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	scratch = dir
	if binary, err = provide.Binary(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, "reliability:", err)
		return 1
	}
	flag.Parse()
	// slots is the bound.
	if err := flag.Set("test.parallel", "1000"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func TestCases(t *testing.T) {
	all := &collected{outcomes: map[int]map[string]Outcome{}, protocols: map[string]int{}}
	t.Cleanup(func() { // after the parallel subtests
		if *update {
			write(t, all)
		}
	})
	for _, g := range groups {
		for _, c := range g.cases {
			for i, f := range c.faults {
				for _, tls := range []bool{false, true} {
					if tls && f.local || !tls && f.only {
						continue
					}
					name := fmt.Sprintf("%02d/%s", c.number, f.name)
					if tls {
						name += "/tls"
					}
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						if !f.waits {
							defer slot()()
						}
						o, tr := attempt(t, f, tls)
						all.add(c.number, fmt.Sprintf("%03d %t", i, tls), o, tr)
						judge(t, f, o, tr)
					})
				}
			}
		}
	}
}

// write enters the results, if all cases have been run.
func write(t *testing.T, all *collected) {
	if len(all.outcomes) < 60 {
		t.Logf("%d of 60 cases were run: nothing is entered", len(all.outcomes))
		return
	}
	c := Cases{Date: time.Now().UTC().Format(time.DateOnly), Protocols: all.protocols, Rows: all.rows()}
	if err := c.Save(results); err != nil {
		t.Fatal(err)
	}
	render(t)
}

func render(t *testing.T) {
	c, sections, err := Load(results)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(document, Render(c, sections), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := chart.Save(drawings, Pictures(c, sections)); err != nil {
		t.Fatal(err)
	}
}

// The cases are numbered as they are known, each once.
func TestSixtyCases(t *testing.T) {
	next := 1
	for _, g := range groups {
		for _, c := range g.cases {
			if c.number != next {
				t.Errorf("case %d stands where %d should", c.number, next)
			}
			next = c.number + 1
			if len(c.faults) == 0 || c.title == "" || c.how == "" {
				t.Errorf("case %d says or tries nothing", c.number)
			}
		}
	}
	if next != 61 {
		t.Errorf("there are %d cases, want 60", next-1)
	}
}

// The document is what the entered results make of it, and lists the cases that there are.
func TestDocumentIsCurrent(t *testing.T) {
	if *update {
		render(t)
	}
	c, sections, err := Load(results)
	if err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(written, Render(c, sections)) {
		t.Error("docs/reliability.md is not what the results make of it: run make reliability")
	}
	if names := chart.Differ(drawings, Pictures(c, sections)); len(names) > 0 {
		t.Errorf("%q in docs/pictures are not what the results make of them: run make reliability", names)
	}
	i := 0
	for _, g := range groups {
		for _, one := range g.cases {
			if i >= len(c.Rows) || c.Rows[i].Number != one.number || c.Rows[i].Title != one.title ||
				c.Rows[i].How != one.how {
				t.Fatalf("case %d is not as in the results: run make reliability", one.number)
			}
			i++
		}
	}
}
