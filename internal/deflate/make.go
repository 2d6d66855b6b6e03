// Package deflate takes gzip apart and makes it again, to the bit. [Make] reads a gzip blob, and writes its
// content and a recipe: which encoder made it, and what that encoder's model does not predict. [Open] makes
// the blob from the content and the recipe.
//
// No library that compresses takes part. The models are in the packages below, and never change.
package deflate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"drayage/internal/deflate/coding"
	"drayage/internal/limits"
)

// ErrUnknown is a blob that no model predicts well enough, or one that is not gzip.
var ErrUnknown = errors.New("no known encoder made it")

// ErrDamaged is a gzip blob that no decoder takes.
var ErrDamaged = errors.New("the gzip stream is damaged")

// MakeOptions say how a recipe is made. The zero value is usable.
type MakeOptions struct {
	// Limit is how large the recipe may be, as a share of the blob. Zero means 0.03.
	Limit float64
	// Models are the encoders to try. Nil means all.
	Models []coding.Model
	// Stop says that the content is of no use without a recipe: Make returns as soon as there can be none.
	Stop bool
}

// Made is what Make found.
type Made struct {
	Model       string // the encoder
	Corrections int64  // tokens and blocks that the model did not predict
	Size        int64  // of the blob
	Unpacked    int64  // of its content
	Recipe      int64  // bytes
}

// Make reads a gzip blob once, writes its content, and then the recipe for making the blob from the content.
// It returns an error that matches [ErrUnknown] if the blob cannot be made in that way at little cost. The
// content is written all the same, unless the blob is not gzip, or the options say otherwise. The error of a
// blob that cannot be unpacked matches [ErrDamaged].
func Make(ctx context.Context, blob io.Reader, content, recipe io.Writer, o MakeOptions) (Made, error) {
	if o.Limit == 0 {
		o.Limit = 0.03
	}
	if o.Models == nil {
		o.Models = Models()
	}
	m := &maker{ctx: ctx, in: newBitReader(blob), content: content, o: o, share: o.Limit}
	defer m.close()
	err := m.members()
	m.made.Size = m.in.read
	if err == nil && m.err == nil {
		m.err = m.end(recipe)
	}
	if err != nil {
		return m.made, m.judge(err)
	}
	return m.made, m.err
}

// judge tells an error about a blob that was read to where the error is from one about reading it.
func (m *maker) judge(err error) error {
	if errors.Is(err, errCorrupt) || errors.Is(err, io.ErrUnexpectedEOF) && m.in.err == io.EOF {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// maker makes a recipe.
type maker struct {
	ctx          context.Context
	in           *bitReader
	content      io.Writer
	o            MakeOptions
	share        float64
	made         Made
	err          error // why there is no recipe; the content is wanted nevertheless
	inflater     inflater
	header       []byte // of the member
	feed         *feed
	sum          *sum
	model        coding.Model
	contest      contest
	memberColumn column
	line         *line
	described    chan struct{} // closed when all pieces have been described
	failed       error         // why not; valid then
}

func (m *maker) close() {
	m.drain()
	m.memberColumn.close()
	m.contest.close()
}

// members reads all members, and what follows the last.
func (m *maker) members() error {
	for n := 0; ; n++ {
		header, err := readMember(m.in)
		switch {
		case errors.Is(err, errNotGzip) && n > 0:
			return m.tail(header)
		case errors.Is(err, errNotGzip):
			return fmt.Errorf("%w: it is %w", ErrUnknown, err)
		case err != nil:
			return err
		}
		if err := m.member(&member{header: header}); err != nil {
			return err
		}
		if n >= maxMembers(m.in.read) || m.memberColumn.len() > limits.Recipe/2 {
			m.giveUp(errLong)
		}
	}
}

// maxMembers is how many members a blob of so many bytes may have.
func maxMembers(size int64) int { return int(size/256) + 4096 }

// maxTail is how much may follow the last member.
const maxTail = 64 << 10

// tail takes what follows the last member.
func (m *maker) tail(begun []byte) error {
	rest, err := io.ReadAll(io.LimitReader(m.in, maxTail+1))
	if err != nil {
		return err
	}
	tail := append(begun, rest...)
	if len(tail) > maxTail {
		return fmt.Errorf("%w: much follows its last member", ErrUnknown)
	}
	column := append([]byte{0}, binary.AppendUvarint(nil, uint64(len(tail)))...)
	m.memberColumn.Write(append(column, tail...))
	return nil
}

// member reads a member.
func (m *maker) member(mem *member) error {
	m.feed, m.sum, m.header = &feed{}, &sum{}, mem.header
	m.inflater = inflater{in: m.in, f: m.feed, forget: m.err != nil}
	if err := m.pieces(); err != nil {
		return err
	}
	mem.size, mem.padding = m.feed.end(), m.feed.padding
	trailer, err := appendBytes(nil, m.in, trailerLen)
	if err != nil {
		return err
	}
	if string(trailer) != string(m.sum.append(nil)) {
		mem.trailer = trailer
	}
	m.made.Unpacked += mem.size
	_, err = m.memberColumn.Write(mem.append([]byte{1}))
	return err
}
