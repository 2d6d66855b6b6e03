package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// grace is how long a target may take beyond its time: to try known inputs again, and to make an input that
// fails smaller.
const grace = 2 * time.Minute

// runAll runs the targets, as many at once as there are processors, and goes on after one that fails.
func runAll(ctx context.Context, targets []*target, each time.Duration) error {
	var mu sync.Mutex
	var failed []error
	queue := make(chan *target)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for t := range queue {
				out, err := t.run(ctx, each)
				mu.Lock()
				fmt.Printf("%9d %s %s\n", t.execs, t.pkg, t.name)
				if err != nil {
					failed = append(failed, fmt.Errorf("%s in %s: %v\n%s", t.name, t.pkg, err, out))
				}
				mu.Unlock()
			}
		})
	}
	for _, t := range targets {
		queue <- t
	}
	close(queue)
	workers.Wait()
	return errors.Join(failed...)
}

// executions matches the number of inputs that were tried: of new ones, or of known ones, which come first.
var executions = regexp.MustCompile(`(?:execs|baseline coverage): (\d+)`)

// outOfTime matches the end of what Go says if the time is over while an input is being tried. Go takes that
// for a failure on a busy machine, but no input has failed (https://go.dev/issue/48591).
var outOfTime = regexp.MustCompile(
	`(?m)^--- FAIL: Fuzz\w+ \([\d.]+s\)\n\s+context deadline exceeded\nFAIL\s*\z`)

// longest is how long a target runs that has tried nothing in its time: a worker on a busy machine may take
// seconds to begin.
const longest = time.Minute

// run fuzzes one target, for longer than each if it has tried nothing by then.
func (t *target) run(ctx context.Context, each time.Duration) (out string, err error) {
	for {
		if out, err = t.try(ctx, each); err != nil && t.onlySlow(ctx, out) {
			return out, nil
		}
		if err != nil || t.execs > 0 {
			return out, err
		}
		if each *= 4; each > longest || ctx.Err() != nil {
			return out, errors.New("it has tried nothing")
		}
	}
}

// try fuzzes one target with one worker, and notes how many inputs it has tried. It does not have interesting
// inputs made smaller: that is not worth the time.
func (t *target) try(ctx context.Context, each time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, each+grace)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.binary, "-test.run=^$", "-test.fuzz=^"+t.name+"$", "-test.parallel=1",
		"-test.fuzztime="+each.String(), "-test.fuzzminimizetime=1x", "-test.fuzzcachedir="+t.corpus)
	cmd.Dir = t.dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // so that it ends its worker
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	for _, m := range executions.FindAllSubmatch(out, -1) {
		n, convErr := strconv.Atoi(string(m[1]))
		if convErr != nil {
			return string(out), convErr
		}
		t.execs = n
	}
	if err != nil && ctx.Err() == nil && outOfTime.Match(out) {
		err = nil
	}
	return string(out), err
}
