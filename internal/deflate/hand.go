package deflate

import (
	"fmt"
	"io"

	"drayage/internal/deflate/coding"
)

// pieces reads the blocks of a member, and hands its pieces on.
func (m *maker) pieces() error {
	var c cutter
	for begun := false; m.err == nil; {
		if !begun {
			if err := m.recognise(); err != nil {
				return err
			}
			if m.model == nil || m.err != nil {
				break
			}
			begun, c.f = true, m.model.Framing()
		}
		e, err := m.extent(&c)
		if err != nil {
			return err
		}
		if m.err != nil {
			break
		}
		m.hand(e)
		if c.move(e); c.done {
			return nil
		}
	}
	return m.rest()
}

// extent reads as much as the next stretch needs.
func (m *maker) extent(c *cutter) (extent, error) {
	e := c.next(unknown)
	for !m.feed.ended && m.feed.end() <= e.high {
		if err := m.decode(); err != nil {
			return e, err
		}
	}
	if m.feed.ended {
		e = c.next(m.feed.end())
	}
	return e, nil
}

// A bit more is read at once.
const readAtOnce = 256 << 10

// decode reads more, and writes the content of it.
func (m *maker) decode() error {
	if err := m.ctx.Err(); err != nil {
		return err
	}
	at := len(m.feed.content)
	if err := m.inflater.decode(readAtOnce); err != nil {
		return err
	}
	m.sum.Write(m.feed.content[at:])
	_, err := m.content.Write(m.feed.content[at:])
	if m.inflater.forget {
		m.giveUp(errLong)
	}
	return err
}

// rest reads a member if only its content is wanted.
func (m *maker) rest() error {
	if m.o.Stop {
		return m.err
	}
	m.inflater.forget = true
	m.feed.runs, m.feed.starts, m.feed.tokens = nil, nil, nil
	for !m.feed.ended {
		m.feed.drop(m.feed.end() - coding.Window)
		if err := m.decode(); err != nil {
			return err
		}
	}
	return nil
}

// giveUp notes that there will be no recipe.
func (m *maker) giveUp(why error) {
	if m.err == nil {
		m.err = fmt.Errorf("%w: %w", ErrUnknown, why)
	}
}

// hand gives a stretch to the line.
func (m *maker) hand(e extent) {
	p := &piece{extent: e}
	base := m.feed.base
	p.data = append([]byte(nil), m.feed.content[e.low-base:e.high-base]...)
	t := m.feed.take(e.to, e.end)
	m.feed.drop(min(m.feed.end(), e.to) - 3*coding.Window - int64(m.model.Framing().Align))
	p.actual, p.read = &t, m.in.read
	if e.crossed(m.feed) || !m.line.submit(p) {
		m.giveUp(errLong)
	}
}

// start makes the models, before it is known which one is right.
func (m *maker) start(models []coding.Model) {
	m.model, m.contest = models[0], newContest(models)
	m.made.Model = m.model.Name()
	m.described = make(chan struct{})
	m.line = newLine(m.model.Framing(), m.contest.leaders(), m.contest.follow)
	go m.take(m.line)
}

// take describes pieces in order.
func (m *maker) take(l *line) {
	defer close(m.described)
	for p := range l.order {
		<-p.done
		if m.failed = p.err; m.failed == nil {
			m.failed = m.contest.take(p, m.share)
		}
		if m.failed != nil {
			l.abandon()
			return
		}
	}
}

// maxRecords is how many blocks of a blob of so many bytes may differ from what is predicted. Each may cost
// the far side the time in which codes are made.
func maxRecords(size int64) int { return int(size/512) + 4096 }

// drain waits until all pieces have been described.
func (m *maker) drain() {
	if m.line == nil {
		return
	}
	m.line.end()
	<-m.described
	m.line.group.Wait()
	m.line = nil
	if m.failed != nil {
		m.err = nil
		m.giveUp(m.failed)
	}
}

// end writes the recipe.
func (m *maker) end(w io.Writer) error {
	if m.drain(); m.err != nil {
		return m.err
	}
	best := m.contest.best()
	best.describe.finish()
	m.made.Model = best.model.Name()
	m.made.Corrections = best.corrections + int64(best.describe.records)
	counted := &countingWriter{w: w}
	t := title{m.made.Size, m.made.Unpacked, m.made.Model}
	err := writeRecipe(counted, t, [columns]*column{&m.memberColumn, &best.blocks, &best.tokens})
	if m.made.Recipe = counted.n; err == nil && float64(counted.n) > m.share*float64(m.made.Size)+shortRecipe {
		m.giveUp(errLong)
	}
	return err
}

// shortRecipe is how long a recipe may be beside any blob.
const shortRecipe = 1024

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
