package progress

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// glass is a terminal that knows what Screen uses: what is written, line ends, returns, and ESC [ J.
type glass struct {
	width  int
	rows   [][]rune
	cursor int
}

func (g *glass) Write(p []byte) (int, error) {
	text := string(p)
	for len(text) > 0 {
		if rest, ok := strings.CutPrefix(text, "\x1b[J"); ok {
			g.row()
			g.rows[len(g.rows)-1], text = g.rows[len(g.rows)-1][:g.cursor], rest
			continue
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		g.put(r)
	}
	return len(p), nil
}

func (g *glass) row() {
	if len(g.rows) == 0 {
		g.rows = [][]rune{nil}
	}
}

func (g *glass) put(r rune) {
	g.row()
	last := &g.rows[len(g.rows)-1]
	switch {
	case r == '\r':
		g.cursor = 0
		return
	case r == '\n':
		g.rows, g.cursor = append(g.rows, nil), 0
		return
	case g.cursor == g.width:
		g.rows, g.cursor = append(g.rows, nil), 0
		last = &g.rows[len(g.rows)-1]
	}
	if g.cursor == len(*last) {
		*last = append(*last, ' ')
	}
	(*last)[g.cursor] = r
	g.cursor++
}

func (g *glass) String() string {
	var lines []string
	for _, r := range g.rows {
		lines = append(lines, strings.TrimRight(string(r), " "))
	}
	return strings.Join(lines, "\n")
}

func TestTextComesOutAboveTheStatusLine(t *testing.T) {
	for _, plain := range []bool{false, true} {
		g := &glass{width: 20}
		s := NewScreen(g)
		s.plain = plain
		var other bytes.Buffer
		out := s.Above(io.MultiWriter(g, &other))
		io.WriteString(s, "before\n")
		s.Show("fetch 1/3 long")
		io.WriteString(s, "warning: a text of more than 20 cells\n")
		if got, want := g.String(), "before\nwarning: a text of m\nore than 20 cells\nfetch 1/3 long"; got != want {
			t.Errorf("plain %t: %q, want %q", plain, got, want)
		}
		s.Show("fetch 2/3")
		io.WriteString(out, "name@digest\n")
		if other.String() != "name@digest\n" {
			t.Errorf("%q", other.String())
		}
		io.WriteString(s, "Password: ")
		s.Show("not here")
		io.WriteString(s, "\n")
		s.Show("fetch 3/3")
		want := "before\nwarning: a text of m\nore than 20 cells\nname@digest\nPassword:\nfetch 3/3"
		if got := g.String(); got != want {
			t.Errorf("plain %t: %q, want %q", plain, got, want)
		}
		s.Show("")
		if got := g.String(); got != strings.TrimSuffix(want, "fetch 3/3") {
			t.Errorf("plain %t: %q", plain, got)
		}
	}
}

func TestWithoutAStatusLineTextIsAsItWas(t *testing.T) {
	var b bytes.Buffer
	s := NewScreen(&b)
	io.WriteString(s, "a\n")
	s.Show("")
	io.WriteString(s.Above(&b), "b")
	if b.String() != "a\nb" {
		t.Errorf("%q", b.String())
	}
}

func TestCells(t *testing.T) {
	for text, want := range map[string]int{"": 0, "alpine:3.20": 11, "ü": 1, "u\u0308": 1, "日本": 4, "…": 1} {
		if got := Cells(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
