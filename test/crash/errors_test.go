//go:build linux

package crash

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"drayage/test/reliability"
)

// Each call that changes a file fails once, by turns because the disk errs and because it is full.
func TestErrorsAtEveryStep(t *testing.T) {
	if !canFailCalls {
		t.Skip("calls can be made to fail on amd64 only")
	}
	everyPoint(t, scenarios, (*point).tryError, func(rows [][]string) {
		enter(t, "21-errors-at-every-step", errorsSection(rows))
	})
}

func errorsSection(rows [][]string) reliability.Section {
	return reliability.Section{
		Title: "A disk that fails at every step",
		Text: "The N-th system call that changes a file fails: with EIO where N is even, with ENOSPC where it " +
			"is odd. The command then ends with exit code 1 and the disk's error. If it did not need the " +
			"call, it does its work all the same. What must hold after a kill holds here too. The same " +
			"command finishes the work.",
		Head: []string{"command", "points", "tried", "survived"},
		Rows: rows,
	}
}

// tryError makes the n-th call fail, looks at what is left, and runs the command again.
func (p *point) tryError(n int) (at string, err error) {
	errno := []syscall.Errno{syscall.EIO, syscall.ENOSPC}[n%2]
	e, r := p.trace(strike{n: n, name: changesFiles, err: errno})
	if !e.struck {
		if e.status.ExitStatus() != p.s.code {
			return "", fmt.Errorf("nothing failed, but %s", r)
		}
		return "", p.complete()
	}
	if e.status.Signaled() {
		return e.at, fmt.Errorf("it ended with signal %v", e.status.Signal())
	}
	done := r.code == p.s.code
	switch {
	case done && !p.s.pushes && !mayFail(e.at):
		return e.at, errors.New("the error was passed over")
	case !done && r.code != 1:
		return e.at, fmt.Errorf("exit code 1 was expected: %s", r)
	case !done && !strings.Contains(r.stderr, errno.Error()):
		return e.at, fmt.Errorf("it does not say %q: %s", errno.Error(), r)
	}
	if err := p.s.sound(p); err != nil {
		return e.at, err
	}
	if err := p.runAgain(); err != nil {
		return e.at, err
	}
	if err := p.s.sound(p); err != nil {
		return e.at, err
	}
	return e.at, p.completeBut(e.at)
}

// mayFail reports whether a command can do its work without a call: removing what is of no use any more, and
// remembering for the next time. All that a push writes is of that kind.
func mayFail(at string) bool {
	call, name, _ := strings.Cut(at, " ")
	// an output may keep a mode that nobody can change; a lock that cannot be written to is opened for reading
	kept := call == "fchmod" || call == "openat" && name == "lock"
	return kept || call == "unlinkat" || call == "fchown" || strings.Contains(name, ".mark")
}

// completeBut is complete, but what could not be removed may stay.
func (p *point) completeBut(at string) error {
	d := differences(p.clean, p.state())
	if name, ok := strings.CutPrefix(at, "unlinkat "); ok {
		d = slices.DeleteFunc(d, func(s string) bool { return strings.HasSuffix(s, name+" is left over") })
	}
	if p.s.pushes {
		d = slices.DeleteFunc(d, func(s string) bool { return strings.HasPrefix(s, "cache/") })
	}
	if len(d) > 0 {
		slices.Sort(d)
		return fmt.Errorf("other than after a run to its end: %s", strings.Join(d, ", "))
	}
	return nil
}
