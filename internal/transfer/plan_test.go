package transfer_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"drayage/internal/transfer"
)

func TestPlan(t *testing.T) {
	bad := errors.New("bad")
	p := transfer.NewPlan[string, int]()
	for i, needs := range []string{"", "a", "ab", "bcb", "c"} {
		p.Enter(i)
		for _, key := range needs {
			p.Add(i, transfer.Job[string]{Key: string(key)})
		}
	}
	if len(p.Jobs()) != 3 || !slices.Equal(p.Users("b"), []int{2, 3}) || p.Job("x") != nil ||
		p.Job("a").Key != "a" {
		t.Errorf("%v", p.Jobs())
	}
	var complete []string
	p.Begin(func(u int, err error) { complete = append(complete, fmt.Sprintf("%d %v", u, err)) })
	outcomes := map[string]error{"b": bad}
	for _, j := range p.Jobs() {
		p.Done(j, outcomes[j.Key])
	}
	if want := []string{"0 <nil>", "1 <nil>", "2 bad", "3 bad", "4 <nil>"}; !slices.Equal(complete, want) {
		t.Errorf("%q, want %q", complete, want)
	}
}

// Users who are held wait for Release, and fail with its error if they have none of their own.
func TestPlanHolds(t *testing.T) {
	end, bad := errors.New("end"), errors.New("bad")
	p := transfer.NewPlan[int, int]()
	for i := range 3 {
		p.Enter(i)
	}
	p.Add(1, transfer.Job[int]{})
	p.Hold()
	outcomes := map[int]error{}
	p.Begin(func(u int, err error) { outcomes[u] = err })
	p.Done(p.Jobs()[0], bad)
	if len(outcomes) != 0 {
		t.Errorf("%v before Release", outcomes)
	}
	p.Release(end)
	if outcomes[0] != end || outcomes[1] != bad || outcomes[2] != end {
		t.Errorf("%v", outcomes)
	}
}
