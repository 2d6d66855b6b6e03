//go:build linux

// Package bench measures drayage beside the tools that do the same work: crane, skopeo, regctl, oras and
// docker. Fill in a [Config] and call [Run]; a command that calls it must give its arguments to [Hidden]
// first, because servers, the meter and the limits run as processes of their own, made of the same program.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"
)

// Config says what is measured, with what and how often.
type Config struct {
	Drayage string         // the binary
	Before  string         // an earlier one, measured beside it; may be empty
	Peers   string         // a directory with more peers than PATH has; may be empty
	Work    string         // keeps the images between runs; made if it is not there
	Runs    int            // measured runs of each tool in each scenario
	Scale   int            // percent of the real sizes of images
	Huge    bool           // measure memory with a layer of 10 GB too
	Only    *regexp.Regexp // identifiers of scenarios; nil means all
	Tools   *regexp.Regexp // names of tools besides drayage and the limits; nil means all
	Log     io.Writer      // what is being done
}

// env is what all scenarios share.
type env struct {
	Config
	self   string // this program
	tools  toolbox
	dir    string // of this run, removed at its end
	docker *dockerDaemon
	sets   map[string]*dataset
}

// Run measures and returns the report. It starts and stops every process it needs. An error of one tool in
// one scenario is in the report and does not end the run. When ctx ends, the report has what was measured
// until then.
func Run(ctx context.Context, config Config) (_ *Report, err error) {
	e := &env{Config: config, sets: map[string]*dataset{}}
	if e.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(e.Work, 0o700); err != nil {
		return nil, err
	}
	if e.dir, err = os.MkdirTemp(e.Work, "run-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.docker.stop(), os.RemoveAll(e.dir)) }()
	e.tools = findTools(ctx, config.Drayage, config.Peers)
	report := &Report{Date: time.Now().UTC(), Machine: readMachine(), Config: config, tools: e.tools}
	for _, s := range scenarios() {
		if e.Only != nil && !e.Only.MatchString(s.id) || s.huge && !e.Huge {
			continue
		}
		result, err := e.measure(ctx, s)
		if ctx.Err() != nil {
			return report, ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %v", s.id, err)
		}
		report.Results = append(report.Results, result)
	}
	if len(report.Results) == 0 {
		return nil, fmt.Errorf("no scenario matches %q", e.Only)
	}
	return report, nil
}

// scenario is one work that several tools do.
type scenario struct {
	id, title string
	huge      bool // only with Config.Huge
	once      bool // one measured run is enough: memory does not vary as time does
	bytes     bool // the run that is checked is enough: bytes do not vary
	prepare   preparation
	targets   []target
}

// errAbsent is matched by the errors of preparations that need a program that is not here.
var errAbsent = errors.New("not here")

// preparation makes what a scenario needs. The function, which may be nil, ends it.
type preparation func(context.Context, *env) ([]contender, func(), error)

// contender is a tool that does the work of a scenario, or the reason why it does not.
type contender struct {
	tool   string // "drayage", "crane", ...; with the settings if there are several of it
	whyNot string
	limit  bool // no tool, but the least that the machine needs
	task   func(context.Context, *round) (task, error)
}

// task is the work of one contender in one round.
type task struct {
	before func(context.Context) error // not measured; may be nil
	argv   [][]string                  // measured, one after another
	images int                         // that the work is about; 0 if nobody asks
	// files or directories that are written, and synced within the measured time
	out     []string
	daemon  []int // processes that do part of the work
	serving bool  // the work is theirs alone: the commands only ask for it
	check   func(context.Context) (int64, error)
	// the registry whose traffic counts, if there is one
	registry counter
}

// round is where a task runs: a directory of its own and, where it pushes, a registry of its own.
type round struct {
	*env
	dir     string
	cleanup []func()
}

// measure runs every contender once, which checks it and warms caches, and then Runs times in turn.
func (e *env) measure(ctx context.Context, s scenario) (*Result, error) {
	fmt.Fprintf(e.Log, "== %s: %s\n", s.id, s.title)
	result := &Result{scenario: s}
	contenders, done, err := s.prepare(ctx, e)
	if errors.Is(err, errAbsent) {
		fmt.Fprintf(e.Log, "   left out: %v\n", err)
		result.LeftOut = err.Error()
		return result, nil
	}
	if err != nil {
		return nil, err
	}
	if done != nil {
		defer done()
	}
	for _, c := range e.withBefore(contenders) {
		if e.chosen(c) {
			result.Rows = append(result.Rows, &Row{contender: c, Failed: c.whyNot})
		}
	}
	runs := e.Runs
	switch {
	case s.once:
		runs = 1
	case s.bytes:
		runs = 0
	}
	for n := 0; n <= runs; n++ {
		for _, row := range result.Rows {
			if row.Failed != "" || row.tooSlow() {
				continue
			}
			if err := e.once(ctx, row, n == 0, s.bytes); err != nil {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				row.Failed = oneLine(err.Error())
				fmt.Fprintf(e.Log, "   %s: %v\n", row.tool, err)
			}
		}
	}
	return result, nil
}

func (e *env) chosen(c contender) bool {
	return e.Tools == nil || c.limit || c.isDrayage() || e.Tools.MatchString(c.tool)
}

// once is one run of one contender. The first is checked, and not counted unless bytes are all that matters.
func (e *env) once(ctx context.Context, row *Row, first, bytes bool) (err error) {
	r := &round{env: e}
	if r.dir, err = os.MkdirTemp(e.dir, "round-"); err != nil {
		return err
	}
	defer func() {
		for _, f := range slices.Backward(r.cleanup) {
			f()
		}
		err = errors.Join(err, os.RemoveAll(r.dir))
	}()
	t, err := row.task(ctx, r)
	if err != nil {
		return err
	}
	if t.before != nil {
		if err := t.before(ctx); err != nil {
			return fmt.Errorf("prepare: %v", err)
		}
	}
	if !bytes {
		syscall.Sync() // what others have left to write is not this one's
		if err := touchMemory(); err != nil {
			return err
		}
	}
	usage, err := r.meter(ctx, t)
	if err != nil {
		return err
	}
	if first {
		if usage.Output, err = t.check(ctx); err != nil {
			return fmt.Errorf("wrong result: %v", err)
		}
		if row.Output, row.images = usage.Output, t.images; !bytes {
			return nil
		}
	}
	row.Usages = append(row.Usages, usage)
	fmt.Fprintf(e.Log, "   %-28s %7.3f s wall %7.3f s CPU %5d MiB\n", row.tool, usage.Wall.Seconds(),
		usage.CPU.Seconds(), usage.Peak>>20)
	return nil
}

// path is a file or directory of this round.
func (r *round) path(name string) string { return filepath.Join(r.dir, name) }
