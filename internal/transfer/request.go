package transfer

// maxRequest bounds what a fast stream asks for at once. Servers that let the first second's worth of a request through at once, as nginx does with limit_rate, and
// then hold it, are not met in ranges of this size if they allow 16 MiB/s.
const maxRequest = 16 << 20

// request is what a stream reads by one request: ranges that follow each other and are not there yet. A stream that is fast and alone takes more of them at
// once, because each request costs both sides something.
type request []piece

func (r request) off() int64 { return r[0].Off }

// end is where the request ends, or 0 when all of it has arrived.
func (r request) end() int64 {
	if len(r) == 0 {
		return 0
	}
	return r[len(r)-1].End
}

// arrived drops what is whole now that everything before off is there.
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
		limit = min(2*p.request, maxRequest)
	}
	for l.next++; l.next < len(l.todo); l.next++ {
		if s := l.todo[l.next]; s.Off != l.todo[l.next-1].End || s.End-l.todo[from].Off > limit {
			break
		}
	}
	r := request(l.todo[from:l.next])
	p.request = r.end() - r.off()
	return r
}

// giveBack lets others have what a request has not come to. Only a stream that was alone has more than a range, so that nothing behind it has been taken.
func (l *parallel) giveBack(r *request) {
	if len(*r) < 2 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next -= len(*r) - 1
	*r = (*r)[:1]
}
