package progress

import (
	"time"

	"drayage/internal/tally"
)

const (
	// window is over how long the rate is smoothed. A rate since the beginning would not show what is now.
	window = 5 * time.Second
	// soon is how long something has to move before there is a rate.
	soon = time.Second
	// stuckAfter is how long nothing has to move before the user is told.
	stuckAfter = 3 * time.Second
)

// pace finds the rate of what moves, and how long nothing has.
type pace struct {
	samples []sample
	moved   time.Time // when something moved
}

type sample struct {
	at          time.Time
	moved, done int64
}

// view makes a View of a sum at a time. Each call is a sample.
func (p *pace) view(verb string, sum tally.Sum, now time.Time) View {
	here := sample{now, sum.Moved, sum.Held - sum.Present}
	if n := len(p.samples); n == 0 || p.samples[n-1].moved != here.moved || p.samples[n-1].done != here.done {
		p.moved = now
	}
	p.samples = append(p.samples, here)
	for len(p.samples) > 2 && now.Sub(p.samples[1].at) >= window {
		p.samples = p.samples[1:]
	}
	v := View{Verb: verb, Sum: sum}
	if stuck := now.Sub(p.moved); stuck >= stuckAfter {
		v.Stuck = stuck
		return v
	}
	first := p.samples[0]
	seconds := now.Sub(first.at).Seconds()
	if seconds < soon.Seconds() {
		return v
	}
	v.Rate = max(float64(here.moved-first.moved)/seconds, 0)
	missing, done := sum.Total-sum.Held, here.done-first.done
	if missing > 0 && done > 0 {
		left := float64(missing) / (float64(done) / seconds)
		v.Left = time.Duration(min(left, maxLeft.Seconds()) * float64(time.Second))
	}
	return v
}

// maxLeft is more than anybody waits for.
const maxLeft = 99 * 24 * time.Hour
