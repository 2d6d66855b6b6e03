//go:build linux

package reliability

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// trouble is one of the sixty cases.
type trouble struct {
	number int
	title  string
	how    string // what drayage does: the faults below check it
	known  string // what is not survived, if that is known
	faults []fault
}

// fault is one way to make that trouble.
type fault struct {
	name  string
	run   func(*try)
	local bool // needs no registry, or no other than a plain one: tried once and not over each transport
	known bool // not survived, as the case says
	only  bool // makes sense over TLS only
	waits bool // takes a minute and no processor: tried beside all others
}

// try is one attempt at a fault. What fails in it becomes an outcome; it fails the test only if it is not
// known.
type try struct {
	*testing.T
	tls     bool
	dir     string // the working directory of drayage, and its home
	certs   []byte // what drayage trusts besides the system's
	env     []string
	prefix  []string // a program that runs drayage, with its arguments
	mu      sync.Mutex
	missed  []string
	skipped string
	figure  string
	servers []*site
}

// Errorf notes that the fault is not survived, and goes on.
func (t *try) Errorf(format string, args ...any) {
	t.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.missed = append(t.missed, fmt.Sprintf(format, args...))
}

// Error is Errorf without a format.
func (t *try) Error(args ...any) { t.Errorf("%s", strings.TrimSuffix(fmt.Sprintln(args...), "\n")) }

// Fatalf is Errorf, and ends the attempt.
func (t *try) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

// Fatal is Fatalf without a format.
func (t *try) Fatal(args ...any) {
	t.Error(args...)
	runtime.Goexit()
}

// Skip ends the attempt because it cannot be made here.
func (t *try) Skip(args ...any) {
	t.skipped = strings.TrimSuffix(fmt.Sprintln(args...), "\n")
	runtime.Goexit()
}

// note enters a figure into the table.
func (t *try) note(format string, args ...any) { t.figure = fmt.Sprintf(format, args...) }

// attempt runs a fault once.
func attempt(t *testing.T, f fault, tls bool) (Outcome, *try) {
	tr := &try{T: t, tls: tls, dir: t.TempDir()}
	ended := make(chan struct{})
	go func() { // Goexit ends this goroutine and not the test's
		defer close(ended)
		f.run(tr)
	}()
	<-ended
	o := Outcome{Fault: f.name, Outcome: Survived, Figure: tr.figure}
	if !f.local {
		o.Over = map[bool]string{false: "http", true: "https"}[tls]
	}
	switch {
	case len(tr.missed) > 0:
		o.Outcome, o.Why = Missed, firstLine(tr.missed[0])
	case tr.skipped != "":
		o.Outcome, o.Why = Skipped, tr.skipped
	}
	return o, tr
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// collected is the result of a run of all cases.
type collected struct {
	mu        sync.Mutex
	outcomes  map[int]map[string]Outcome // by case, then by an order of faults and transports
	protocols map[string]int
}

func (c *collected) add(number int, key string, o Outcome, tr *try) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outcomes[number] == nil {
		c.outcomes[number] = map[string]Outcome{}
	}
	c.outcomes[number][key] = o
	for _, s := range tr.servers {
		if tr.tls {
			for proto, n := range s.used() {
				c.protocols[proto] += n
			}
		}
	}
}

// rows puts what was collected under the cases.
func (c *collected) rows() []Row {
	var rows []Row
	for _, g := range groups {
		for _, one := range g.cases {
			r := Row{Number: one.number, Group: g.name, Title: one.title, How: one.how, Known: one.known}
			for _, key := range slices.Sorted(maps.Keys(c.outcomes[one.number])) {
				r.Faults = append(r.Faults, c.outcomes[one.number][key])
			}
			rows = append(rows, r)
		}
	}
	return rows
}

// judge fails the test of a fault that is not survived, unless that is known.
func judge(t *testing.T, f fault, o Outcome, tr *try) {
	switch {
	case o.Outcome == Missed && f.known:
		t.Logf("not survived, as is known: %s", strings.Join(tr.missed, "\n"))
	case o.Outcome == Missed:
		t.Errorf("not survived: %s", strings.Join(tr.missed, "\n"))
	case o.Outcome == Survived && f.known:
		t.Error("this fault is survived now: it is known no more")
	case o.Outcome == Skipped:
		t.Skip(o.Why)
	}
}
