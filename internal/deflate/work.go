package deflate

import (
	"errors"
	"sync/atomic"
)

// Who chooses both content and corrections could have a model look at thousands of places for each byte, or
// search a chunk again for each. So the work of predictors is bounded by the content. Who makes a recipe
// counts as who reads it. Real layers are far below.
const (
	stepsPerByte = 64
	freeSteps    = 1 << 26 // that any blob may take beyond
	beginSteps   = 1 << 14 // for emptying the tables of a predictor
)

// errCostly is a recipe that takes longer than its blob is worth.
var errCostly = errors.New("it takes more work than a layer of its size may")

// ledger sums up the work on pieces, in their order.
type ledger struct{ work, content int64 }

// add adds a piece. It refuses one that takes too much work, with all those before it.
func (l *ledger) add(p *piece) error {
	l.work += p.work
	l.content += p.to - p.from
	if l.work > freeSteps+stepsPerByte*l.content {
		return errCostly
	}
	return nil
}

// meter stops the work on pieces that nobody has added up yet: that on those at hand, with all those before
// them, is more than the ledger is going to take. A nil meter takes all.
type meter struct {
	predictors int64 // of each piece
	left       atomic.Int64
}

func newMeter(predictors int) *meter {
	m := &meter{predictors: int64(predictors)}
	m.left.Store(m.predictors * freeSteps)
	return m
}

// expect tells of more content.
func (m *meter) expect(n int64) { m.left.Add(m.predictors * n * stepsPerByte) }

// spend counts steps, and reports whether they can be had.
func (m *meter) spend(steps int64) bool { return m == nil || m.left.Add(-steps) >= 0 }

// spendAtOnce is how many steps are counted together.
const spendAtOnce = 1 << 16

// count counts what the predictor has done.
func (f *follower) count(atLeast int64) error {
	steps := f.Work() - f.counted
	if steps < atLeast {
		return nil
	}
	f.counted += steps
	f.work += steps
	if !f.meter.spend(steps) {
		return errCostly
	}
	return nil
}
