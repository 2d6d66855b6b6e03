package transfer

import "drayage/internal/marks"

// maxRequest bounds what a fast stream asks for at once, in bytes. Some servers, such as nginx with
// limit_rate, let the first second's worth of each response through at once and then hold it. Requests of
// this size do not meet the limit where it is 16 MiB/s or more.
const maxRequest = 16 << 20

// piece is a span of a blob that one stream reads. It is on disk when done is closed.
type piece struct {
	marks.Span
	done chan struct{}
}

// split divides what is missing of a span into pieces, which end with a block. It returns these and the
// known spans, in order, and the missing ones alone.
func split(whole marks.Span, known []marks.Span, block int64) (all, missing []piece) {
	from := whole.Off
	size := (whole.End - from - marks.Sum(known)) / (maxStreams * piecesEach)
	size = max(min(max(size, minPiece), maxPiece), block)
	upTo := func(end int64) {
		for from < end {
			next := min((from+size)/block*block, end)
			missing = append(missing, piece{marks.Span{Off: from, End: next}, make(chan struct{})})
			all, from = append(all, missing[len(missing)-1]), next
		}
	}
	for _, k := range known {
		upTo(k.Off)
		s := piece{k, make(chan struct{})}
		close(s.done)
		all, from = append(all, s), k.End
	}
	upTo(whole.End)
	return all, missing
}

// request is what a stream asks for at once: pieces that follow each other and are not there yet. A stream
// that is fast and alone asks for more than one, because each request costs both sides something.
type request []piece

func (r request) off() int64 { return r[0].Off }

// end is where the request ends, or 0 when all of it has arrived.
func (r request) end() int64 {
	if len(r) == 0 {
		return 0
	}
	return r[len(r)-1].End
}

// arrived drops the pieces that are whole now that everything before off is there.
func (r *request) arrived(off int64) {
	for len(*r) > 0 && (*r)[0].End <= off {
		close((*r)[0].done)
		*r = (*r)[1:]
	}
}

// take gives out the next request. It is empty if there is none.
func (l *parallel) take(p *pace) request {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil || l.next == len(l.todo) {
		l.running--
		return nil
	}
	from, limit := l.next, int64(0)
	if l.running == 1 && p.got > 0 && !p.slow() {
		limit = min(2*p.asked, maxRequest)
	}
	for l.next++; l.next < len(l.todo); l.next++ {
		if s := l.todo[l.next]; s.Off != l.todo[l.next-1].End || s.End-l.todo[from].Off > limit {
			break
		}
	}
	r := request(l.todo[from:l.next])
	p.asked = r.end() - r.off()
	return r
}

// giveBack lets other streams have the pieces that a request has not come to. Only a stream that was alone
// has more than one piece, so no piece behind them has been taken.
func (l *parallel) giveBack(r *request) {
	if len(*r) < 2 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next -= len(*r) - 1
	*r = (*r)[:1]
}
