package deflate

import (
	"fmt"
	"runtime"
	"sync"

	"drayage/internal/deflate/coding"
)

// maxWorkers bounds the memory: each worker has a piece and its tokens, and two layers are worked on at once.
// With 8, a save of 40 layers took 122 MiB on 8 processors.
const maxWorkers = 3

func workers() int { return min(runtime.GOMAXPROCS(0), maxWorkers) }

// line works on pieces side by side, and gives them back in order.
type line struct {
	jobs  chan *piece
	order chan *piece
	stop  chan struct{} // closed when nobody takes pieces any more
	once  sync.Once
	group sync.WaitGroup
	meter *meter // of all pieces
}

// newLine starts workers, each with what worker returns. They run so many predictors over each piece.
func newLine(f coding.Framing, predictors int, worker func() func(*piece) error) *line {
	n := workers()
	if f.Serial && (f.Part == 0 || f.Part > 4*stretchSize) {
		n = 1
	}
	l := &line{jobs: make(chan *piece, n), order: make(chan *piece, n), stop: make(chan struct{}),
		meter: newMeter(predictors)}
	for range n {
		l.group.Go(func() {
			work := worker()
			for p := range l.jobs {
				p.err = guarded(func() error { return work(p) })
				close(p.done)
			}
		})
	}
	return l
}

// submit hands in a piece. It reports false when the line has been stopped.
func (l *line) submit(p *piece) bool {
	p.done, p.meter = make(chan struct{}), l.meter
	l.meter.expect(p.to - p.from)
	select {
	case l.order <- p:
	case <-l.stop:
		return false
	}
	l.jobs <- p
	return true
}

// pass hands in a piece on which there is nothing to work.
func (l *line) pass(p *piece) {
	p.done = make(chan struct{})
	close(p.done)
	select {
	case l.order <- p:
	case <-l.stop:
	}
}

// end says that no more pieces come.
func (l *line) end() {
	close(l.jobs)
	close(l.order)
}

// abandon says that nobody takes pieces any more.
func (l *line) abandon() { l.once.Do(func() { close(l.stop) }) }

// guarded turns a panic into an error. Models are run over content of anybody: a fault in one of them costs
// the recipe, and not the process.
func guarded(run func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the model failed: %v", r)
		}
	}()
	return run()
}
