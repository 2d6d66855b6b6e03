package deflate

import (
	"errors"
	"sync/atomic"

	"drayage/internal/deflate/coding"
	"drayage/internal/limits"
)

// Versions of an encoder may write the same for megabytes, and differ later. So the models that are equally
// good at the beginning are all followed, until one of them is better.
const (
	maxContenders = 3
	maxLeaders    = 2 // so many of them look for matches by themselves
	// behind is how many bytes more than the best one a model that is left has written, about.
	behind = 1 << 10
	// undecided is the content up to which both leaders are followed. Beyond, only those go on that have the
	// tokens of the better one, which costs next to nothing.
	undecided = 64 << 20
)

// contender is a model that may be that of the blob, and what a recipe for it says.
type contender struct {
	model          coding.Model
	leader         int // predicts the tokens: its own number, or that of one before it
	describe       *describer
	blocks, tokens column
	corrections    int64
	work           ledger
	out            atomic.Bool // it is not followed any more
}

// contest has the contenders, the likeliest first.
type contest []*contender

// newContest takes the best model, and its kin that cut content as it does.
func newContest(models []coding.Model) (all contest) {
	for _, m := range models {
		if len(all) == 0 {
			all = contest{newContender(m, 0)}
			continue
		}
		leader := all.leaderOf(m)
		if leader < 0 || leader == len(all) && all.leaders() == maxLeaders {
			continue
		}
		if all = append(all, newContender(m, leader)); len(all) == maxContenders {
			break
		}
	}
	return all
}

func newContender(m coding.Model, leader int) *contender {
	c := &contender{model: m, leader: leader}
	c.describe = &describer{blocks: m.Blocks(), framing: m.Framing()}
	c.describe.put = func(p []byte) { c.blocks.Write(p) }
	return c
}

// leaderOf is who predicts the tokens of another model: it would itself, unless one that is here does. It is
// negative for a model of another family, or one that cuts content otherwise.
func (all contest) leaderOf(m coding.Model) int {
	kin, ok := m.(coding.Kin)
	first, also := all[0].model.(coding.Kin)
	if !ok || !also || !alike(m.Framing(), first.Framing()) {
		return -1
	}
	for i, c := range all {
		if c.leader == i && c.model.(coding.Kin).Tokens() == kin.Tokens() {
			return i
		}
	}
	return len(all)
}

// alike reports whether content is cut in the same pieces.
func alike(a, b coding.Framing) bool {
	return a.Part == b.Part && a.Dictionary == b.Dictionary && a.Empty == b.Empty && a.Align == b.Align &&
		a.Serial == b.Serial
}

// leaders are how many predictors there are.
func (all contest) leaders() (n int) {
	for i, c := range all {
		if c.leader == i {
			n++
		}
	}
	return n
}

// follow is what a worker does with a piece: each leader that is needed compares it.
func (all contest) follow() func(*piece) error {
	predictors := make([]coding.Predictor, len(all))
	return func(p *piece) error {
		p.versions = make([]*piece, len(all))
		for i := range all {
			if !all.needed(i) {
				continue
			}
			if predictors[i] == nil {
				predictors[i] = all[i].model.Predictor()
			}
			v := *p
			v.err = guarded(func() error { return v.compare(predictors[i]) })
			p.versions[i] = &v
		}
		return nil
	}
}

// needed reports whether a contender that is not out has the tokens of this one.
func (all contest) needed(leader int) bool {
	for _, c := range all {
		if c.leader == leader && !c.out.Load() {
			return true
		}
	}
	return false
}

// take describes a piece for all who are in, and leaves out those that do worse than another one.
func (all contest) take(p *piece, share float64) error {
	failed := errors.New("no model is left")
	for _, c := range all {
		if c.out.Load() {
			continue
		}
		if err := c.take(p.versions[c.leader], share); err != nil {
			failed = err
			c.out.Store(true)
		}
	}
	best := all.best()
	if best == nil {
		return failed
	}
	for _, c := range all {
		late := c.work.content > undecided && c.leader != best.leader
		if c != best && (late || c.cost() > best.cost()+behind) {
			c.out.Store(true)
		}
	}
	return nil
}

// best is the contender whose recipe is shortest so far, or nil.
func (all contest) best() (best *contender) {
	for _, c := range all {
		if !c.out.Load() && (best == nil || c.cost() < best.cost()) {
			best = c
		}
	}
	return best
}

func (all contest) close() {
	for _, c := range all {
		c.blocks.close()
		c.tokens.close()
	}
}

// cost is how many bytes its columns have before they are compressed.
func (c *contender) cost() int64 { return c.blocks.size + c.tokens.size }

// take describes a piece.
func (c *contender) take(p *piece, share float64) error {
	if p.err != nil {
		return p.err
	}
	if err := c.work.add(p); err != nil {
		return err
	}
	c.tokens.Write(p.appendCorrections(nil))
	c.corrections += int64(len(p.corrections))
	return guarded(func() error {
		c.describe.piece(p, p.actual.starts)
		return c.pays(p.read, share)
	})
}

// pays checks that the columns are short enough beside so many bytes of the blob. Short recipes always are.
func (c *contender) pays(read int64, share float64) error {
	n := c.blocks.len() + c.tokens.len()
	long := n > limits.Recipe/2 || float64(n) > share*float64(read)+shortColumn
	if long || c.describe.records > maxRecords(read) {
		return errLong
	}
	return nil
}
