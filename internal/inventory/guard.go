package inventory

import (
	"errors"
	"fmt"
	"io"

	"drayage/internal/limits"
)

// guard is a reader of JSON for a decoder that would keep any text in memory: it ends text whose strings,
// numbers or white space are very long, or whose lists and objects are very deep. It counts lines.
type guard struct {
	r       io.Reader
	read    int64 // bytes
	lines   []int64
	skipped int // lines that are no longer in lines
	inside  byte
	escaped bool
	run     int
	depth   int
	err     error
}

// The insides of runs that guard tells apart.
const (
	inText = 'a' // numbers, and words such as null
	inRoom = ' '
)

var errRun = errors.New("a string, a number or white space is too long")

// keptLines are more than a decoder reads ahead.
const keptLines = 1 << 17

// Read implements io.Reader.
func (g *guard) Read(p []byte) (int, error) {
	if g.err != nil || len(p) == 0 {
		return 0, g.err
	}
	n, err := g.r.Read(p)
	for i, c := range p[:n] {
		if g.err = g.see(c); g.err != nil {
			g.read += int64(i)
			return i, g.err
		}
		if c == '\n' {
			g.newLine(g.read + int64(i))
		}
	}
	g.read += int64(n)
	if g.read > limits.Inventory {
		err = fmt.Errorf("it has more than %d MiB", limits.Inventory>>20)
	}
	g.err = err
	return n, err
}

// see looks at the next byte.
func (g *guard) see(c byte) error {
	was := g.inside
	switch {
	case was == '"':
		if c == '"' && !g.escaped {
			g.inside = 0
		}
		g.escaped = c == '\\' && !g.escaped
	case c == '"':
		g.inside, g.escaped = '"', false
	case c == ' ', c == '\t', c == '\r', c == '\n':
		g.inside = inRoom
	case c == '{', c == '[':
		g.inside, g.depth = 0, g.depth+1
	case c == '}', c == ']':
		g.inside, g.depth = 0, g.depth-1
	case c == ',', c == ':':
		g.inside = 0
	default:
		g.inside = inText
	}
	if g.run++; was != g.inside {
		g.run = 0
	}
	if g.run > limits.InventoryRun {
		return errRun
	}
	if g.depth > limits.InventoryDepth {
		return fmt.Errorf("more than %d lists and objects in each other", limits.InventoryDepth)
	}
	return nil
}

func (g *guard) newLine(at int64) {
	if len(g.lines) == keptLines {
		g.skipped += keptLines / 2
		g.lines = append(g.lines[:0], g.lines[keptLines/2:]...)
	}
	g.lines = append(g.lines, at)
}

// line is the number of the line that a byte is in.
func (g *guard) line(offset int64) int {
	n := g.skipped + 1
	for _, at := range g.lines {
		if at < offset {
			n++
		}
	}
	return n
}
