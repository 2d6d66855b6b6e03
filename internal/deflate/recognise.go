package deflate

import (
	"runtime"
	"slices"
	"strings"
	"sync"

	"drayage/internal/deflate/coding"
)

// stage is a look at the models that are left.
type stage struct {
	size int64 // of the content that is looked at
	// slack is how many times the share of corrections that a recipe may have is borne in that content. What
	// little content costs says little of all of it.
	slack float64
}

// stages decide on the encoder. Each costs about as much as the one before, because few models are left.
var stages = [...]stage{{16 << 10, 6}, {96 << 10, 3}, {1 << 20, 2}, {3 << 20, 1.5}}

// recognise finds the model of the blob by its first member, unless that is done.
func (m *maker) recognise() error {
	if m.model != nil {
		return nil
	}
	candidates := likely(m.header, m.o.Models)
	for _, s := range stages {
		if err := m.read(s.size + coding.Lookahead); err != nil || m.err != nil {
			return err
		}
		candidates = m.cheapest(m.feed.possible(candidates), s)
		if len(candidates) < 2 || s.size >= m.feed.end() {
			break
		}
	}
	if len(candidates) == 0 {
		m.giveUp(errLong)
		return nil
	}
	m.start(candidates)
	return nil
}

// read reads until more than size bytes of content are in the feed, or all.
func (m *maker) read(size int64) error {
	for m.feed.end() <= size && !m.feed.ended && m.err == nil {
		if err := m.decode(); err != nil {
			return err
		}
	}
	return nil
}

// likely puts models first whose programs write such a header. They win where little content tells nothing.
func likely(header []byte, all []coding.Model) []coding.Model {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b coding.Model) int {
		return misfits(header, a.Name()) - misfits(header, b.Name())
	})
	return all
}

// misfits counts what a program would write otherwise in the header: a hint at its level, the system, a name.
func misfits(header []byte, model string) (n int) {
	hint := byte(0)
	if strings.Contains(model, " -9") {
		hint = 2
	} else if strings.Contains(model, " -1") {
		hint = 4
	}
	if header[8] != hint {
		n += 2
	}
	unix := strings.Contains("zlib gzip pigz", model[:min(4, len(model))])
	if system := header[9]; system == 3 && !unix || system == 255 && unix {
		n += 2
	}
	if header[3]&hasName != 0 && strings.HasPrefix(model, "zlib") {
		n++
	}
	return n
}

// looking is held while models look at a blob. They take all processors, and their tables much memory.
var looking sync.Mutex

// cheapest returns those models that predict the first bytes best, the best first. None is left if all are
// wrong too often.
func (m *maker) cheapest(all []coding.Model, s stage) (good []coding.Model) {
	looking.Lock()
	defer looking.Unlock()
	costs := make([]int, len(all))
	lowest := least{cost: prohibitive, strict: s.size >= strict}
	var group sync.WaitGroup
	next := make(chan int)
	for range min(runtime.GOMAXPROCS(0), maxWorkers) {
		group.Go(func() {
			for i := range next {
				failed := guarded(func() error {
					costs[i] = m.cost(all[i], s, lowest.bearable())
					return nil
				})
				if failed != nil {
					costs[i] = prohibitive
				}
				lowest.note(costs[i])
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	group.Wait()
	best := 0
	for i, c := range costs {
		if c < costs[best] {
			best = i
		}
	}
	for i, c := range costs {
		switch {
		case c >= prohibitive || c > lowest.bearable():
		case i == best:
			good = append([]coding.Model{all[i]}, good...)
		default:
			good = append(good, all[i])
		}
	}
	return good
}

// correctionCost is about how many bytes a recipe needs for a correction.
const correctionCost = 4

// prohibitive is what a model costs that cannot be used.
const prohibitive = 1 << 29

// strict is how much content shows that a model whose predictions are all right is the right one. Others that
// err at all are left then.
const strict = 96 << 10

// least is the lowest cost so far.
type least struct {
	sync.Mutex
	cost   int
	strict bool
}

func (l *least) note(cost int) {
	l.Lock()
	defer l.Unlock()
	l.cost = min(l.cost, cost)
}

// bearable is what another model may cost. It is looked at more closely then.
func (l *least) bearable() int {
	l.Lock()
	defer l.Unlock()
	if l.strict && l.cost == 0 {
		return 0
	}
	return 2*l.cost + 64
}

// cost is about how many bytes a recipe needs for the first bytes of content. Most models are wrong from the
// first bytes on: one that costs more than most, or more than pays, is left. What more content costs counts
// by the size of the stage.
func (m *maker) cost(model coding.Model, s stage, most int) (cost int) {
	predictor, f := model.Predictor(), m.feed.look()
	d := describer{blocks: model.Blocks(), framing: model.Framing()}
	d.put = func(p []byte) { cost += len(p) }
	weight, over, meter := 0, 1.0, newMeter(1)
	c := cutter{f: model.Framing()}
	for !c.done && c.from < max(1, s.size) {
		e, enough := clipped(&c, f, s.size)
		if !enough {
			break
		}
		p := &piece{extent: e, data: f.content[e.low:e.high], meter: meter}
		meter.expect(e.to - e.from)
		t := f.take(e.to, e.end)
		p.actual = &t
		weight += t.weight()
		over = max(1, float64(e.to)/float64(s.size))
		pays := shortRecipe + int(m.share*s.slack*float64(weight))
		borne := min(int(float64(most)*over), pays)
		p.most = max(1, (borne-cost)/correctionCost+1)
		if e.crossed(f) || p.compare(predictor) != nil {
			return prohibitive
		}
		cost += correctionCost * len(p.corrections)
		d.piece(p, t.starts)
		if cost > borne {
			return prohibitive
		}
		c.move(e)
	}
	return int(float64(cost) / over)
}

// weight is about how many bytes of the blob were taken.
func (t *taken) weight() (n int) {
	for _, token := range t.tokens {
		if n++; token.IsMatch() {
			n++
		}
	}
	for _, r := range t.runs {
		n += r.n
	}
	return n
}

// clipped is the next stretch, as far as it is parsed and wanted.
func clipped(c *cutter, f *feed, size int64) (e extent, enough bool) {
	e = c.next(unknown)
	if f.ended {
		e = c.next(f.end())
	}
	align := max(1, int64(c.f.Align))
	if most := max(align, (size-e.from)/align*align); e.to-e.from > most {
		e.to, e.end, e.last = e.from+most, false, false
		if high := e.to + coding.Lookahead; high < e.high {
			e.high, e.whole = high, false
		}
	}
	return e, f.ended || e.high < f.end()
}
