package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A screen is a terminal that knows what drayage uses: text, line ends, and erasing to the end of the screen.
// It refuses everything else, so that nothing is recorded wrongly.
type screen struct {
	columns, rows int
	lines         [][]rune
	row, column   int
	pending       []byte // a sequence or character that is not complete
}

func newScreen(columns, rows int) *screen {
	return &screen{columns: columns, rows: rows, lines: make([][]rune, rows)}
}

func (s *screen) write(p []byte) error {
	p = append(s.pending, p...)
	s.pending = nil
	for len(p) > 0 {
		if p[0] == '\x1b' {
			n, err := s.escape(p)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			p = p[n:]
			continue
		}
		if !utf8.FullRune(p) {
			break
		}
		r, n := utf8.DecodeRune(p)
		if err := s.put(r); err != nil {
			return err
		}
		p = p[n:]
	}
	s.pending = append(s.pending, p...)
	return nil
}

// escape obeys the sequence at the beginning of p and returns its length, or 0 if more has to come.
func (s *screen) escape(p []byte) (int, error) {
	const erase = "\x1b[J"
	if strings.HasPrefix(erase, string(p)) && len(p) < len(erase) {
		return 0, nil
	}
	if !strings.HasPrefix(string(p), erase) {
		return 0, fmt.Errorf("the terminal does not know the sequence %.8q", p)
	}
	s.lines[s.row] = s.lines[s.row][:min(s.column, len(s.lines[s.row]))]
	clear(s.lines[s.row+1:])
	return len(erase), nil
}

func (s *screen) put(r rune) error {
	switch {
	case r == '\r':
		s.column = 0
	case r == '\n':
		s.newLine()
	case r < ' ' || r == utf8.RuneError:
		return fmt.Errorf("the terminal does not know the character %q", r)
	default:
		if s.column == s.columns {
			s.column = 0
			s.newLine()
		}
		line := s.lines[s.row]
		for len(line) <= s.column {
			line = append(line, ' ')
		}
		line[s.column] = r
		s.lines[s.row] = line
		s.column++
	}
	return nil
}

func (s *screen) newLine() {
	if s.row+1 < s.rows {
		s.row++
		return
	}
	s.lines = append(s.lines[1:], nil)
}

// text is what stands in each row, without the spaces at its end.
func (s *screen) text() []string {
	all := make([]string, s.rows)
	for i, line := range s.lines {
		all[i] = strings.TrimRight(string(line), " ")
	}
	return all
}
