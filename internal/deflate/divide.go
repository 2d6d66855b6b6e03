package deflate

import (
	"errors"
	"io"
)

var errClosed = errors.New("the reader is closed")

// divider reads content, and divides it in pieces as the recipe says.
type divider struct {
	members, tokens *columnReader
	content         io.Reader
	line            *line
	cutter          cutter
	left            int64  // of the content
	most            int    // how many more members there may be
	buf             []byte // content that is needed still
	base            int64  // its place in the member
}

// run divides all content.
func (d *divider) run() {
	err := d.all()
	if err != nil {
		d.line.pass(&piece{err: err})
	}
	d.line.end()
}

func (d *divider) all() error {
	for {
		flag, err := d.members.ReadByte()
		switch {
		case err != nil || flag > 1:
			return errRecipe
		case flag == 0:
			return d.tail()
		}
		m, err := d.member()
		if err != nil {
			return err
		}
		if stopped, err := d.pieces(m); stopped || err != nil {
			return err
		}
	}
}

// tail passes on what follows the last member.
func (d *divider) tail() error {
	n, err := uvarint(d.members, maxTail)
	if err != nil {
		return err
	}
	tail := make([]byte, n)
	if _, err := io.ReadFull(d.members, tail); err != nil || d.left > 0 {
		return errRecipe
	}
	d.line.pass(&piece{tail: tail})
	return nil
}

// member reads what the recipe has of one.
func (d *divider) member() (*member, error) {
	if d.most--; d.most < 0 {
		return nil, errRecipe
	}
	n, err := uvarint(d.members, 2*maxHeader)
	if err != nil {
		return nil, err
	}
	m := &member{header: make([]byte, n)}
	if _, err := io.ReadFull(d.members, m.header); err != nil {
		return nil, errRecipe
	}
	if n, err = uvarint(d.members, uint64(d.left)); err != nil {
		return nil, err
	}
	m.size = int64(n)
	var last [2]byte
	if _, err := io.ReadFull(d.members, last[:]); err != nil || last[1] != 0 && last[1] != trailerLen {
		return nil, errRecipe
	}
	if m.padding = last[0]; last[1] > 0 {
		m.trailer = make([]byte, trailerLen)
		if _, err := io.ReadFull(d.members, m.trailer); err != nil {
			return nil, errRecipe
		}
	}
	return m, nil
}

// pieces divides the content of a member. It reports true when nobody takes pieces any more.
func (d *divider) pieces(m *member) (stopped bool, err error) {
	d.left -= m.size
	d.buf, d.base = d.buf[:0], 0
	for c := (cutter{f: d.cutter.f}); !c.done; {
		e := c.next(m.size)
		if err := d.read(e); err != nil {
			return false, err
		}
		p := &piece{extent: e, member: m, data: append([]byte(nil), d.buf[e.low-d.base:e.high-d.base]...)}
		if err := p.readCorrections(d.tokens); err != nil {
			return false, err
		}
		if p.from+int64(p.overlap) > p.to && p.end && p.overlap > 0 {
			return false, errRecipe
		}
		if !d.line.submit(p) {
			return true, nil
		}
		c.move(e)
	}
	return false, nil
}

// read makes sure that buf has the content of a stretch and what stands around it.
func (d *divider) read(e extent) error {
	if n := int(e.low - d.base); n > 0 {
		d.buf = d.buf[:copy(d.buf, d.buf[n:])]
		d.base = e.low
	}
	at := len(d.buf)
	if n := int(e.high-d.base) - at; n > 0 {
		d.buf = append(d.buf, make([]byte, n)...)
		if _, err := io.ReadFull(d.content, d.buf[at:]); err != nil {
			return noEOF(err)
		}
	}
	return nil
}
