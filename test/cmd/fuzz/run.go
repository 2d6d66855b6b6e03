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

// grace is how long a target may take beyond its time: to try again what is known, and to make an input that breaks it smaller.
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

// executions are inputs that were tried: new ones, or, as long as that takes, those that are known.
var executions = regexp.MustCompile(`(?:execs|baseline coverage): (\d+)`)

// run fuzzes one target with one worker, and notes how many inputs it has tried. Making inputs smaller that break nothing is not worth the time.
func (t *target) run(ctx context.Context, each time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, each+grace)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.binary, "-test.run=^$", "-test.fuzz=^"+t.name+"$", "-test.fuzztime="+each.String(), "-test.fuzzminimizetime=1x",
		"-test.fuzzcachedir="+t.corpus, "-test.parallel=1")
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
	if err == nil && t.execs == 0 {
		err = errors.New("it has tried nothing")
	}
	return string(out), err
}
