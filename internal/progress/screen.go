// Package progress shows how far a command is: as one status line below the text on a terminal, or as a line
// of text now and then.
package progress

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync"
)

// Screen is a terminal with text that stays and one status line below it. Text comes out above the status
// line. It may be used concurrently.
//
// The cursor waits at the beginning of the status line. A terminal that breaks the line when it becomes
// narrower keeps the cursor there, so that everything behind the cursor is the line's and can be erased.
type Screen struct {
	plain bool // the terminal knows no escape sequences: the line is erased with spaces

	mu   sync.Mutex
	w    io.Writer
	line string // the status line that is shown
	open bool   // the text before ends within a line
}

// NewScreen returns a screen on w that shows no status line yet.
func NewScreen(w io.Writer) *Screen {
	f, ok := w.(*os.File)
	return &Screen{w: w, plain: ok && !knowsEscapes(f)}
}

// Write implements io.Writer for text that stays.
func (s *Screen) Write(p []byte) (int, error) { return s.put(s.w, p) }

// Above returns a writer to another file of the same terminal. Its text comes out above the status line.
func (s *Screen) Above(w io.Writer) io.Writer { return above{s, w} }

type above struct {
	screen *Screen
	w      io.Writer
}

func (a above) Write(p []byte) (int, error) { return a.screen.put(a.w, p) }

func (s *Screen) put(w io.Writer, p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := s.line
	s.draw("")
	n, err := w.Write(p)
	if n > 0 {
		s.open = !bytes.HasSuffix(p[:n], []byte("\n"))
	}
	s.draw(line)
	return n, err
}

// Show replaces the status line. It must be shorter than the terminal is wide. An empty line erases it.
func (s *Screen) Show(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draw(line)
}

// draw makes one write of what changes. While the text ends within a line, no status line has a place.
func (s *Screen) draw(line string) {
	if line == s.line || line != "" && s.open {
		return
	}
	text := "\r" + line
	switch rest := Cells(s.line) - Cells(line); {
	case !s.plain:
		text += "\x1b[J"
	case rest > 0:
		text += strings.Repeat(" ", rest)
	}
	s.line = line
	io.WriteString(s.w, text+"\r") // a terminal that takes nothing more is no reason to stop
}
