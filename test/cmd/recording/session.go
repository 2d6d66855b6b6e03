package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/creack/pty"
)

const (
	columns, rows = 80, 22
	prompt        = "$ "
	wide          = 500 // of the terminal for the text, where no line is broken
	perKey        = 25 * time.Millisecond
	pause         = 700 * time.Millisecond // before a command is typed
	afterKey      = 800 * time.Millisecond // so that the ^C can be seen
	reading       = 1300 * time.Millisecond
)

// errTooFast says that a command ended before Ctrl-C came: this machine was busy.
var errTooFast = errors.New("the command ended before it was interrupted: run it again")

// event is something that the terminal got, at its time.
type event struct {
	at   time.Duration
	data []byte
}

// step is a line of the story and what came of it, for the text.
type step struct {
	line   string   // as it was typed, a command or a comment
	moment string   // the status line when the command was interrupted
	output []string // what stood below the line in the end
}

// session is a person at a terminal.
type session struct {
	binary, dir string
	environment []string
	clock       time.Duration
	events      []event
	steps       []step
}

func newSession(binary, dir string, environment []string) *session {
	return &session{binary: binary, dir: dir, environment: environment}
}

// comment types a line that the shell ignores.
func (s *session) comment(line string) {
	s.typed(line)
	s.steps = append(s.steps, step{line: line})
}

func (s *session) typed(line string) {
	s.show(prompt)
	s.clock += pause
	for i := range line {
		s.show(line[i : i+1])
		s.clock += perKey
	}
	s.show("\r\n")
}

func (s *session) show(text string) {
	s.events = append(s.events, event{s.clock, []byte(text)})
}

// command types a line, runs it, and expects the exit code. At interruptAt per cent it presses Ctrl-C; 0 lets
// the command end.
func (s *session) command(ctx context.Context, line string, interruptAt, exitCode int) error {
	s.typed(line)
	began := len(s.events)
	words := strings.Fields(line)
	cmd := exec.CommandContext(ctx, s.binary, words[1:]...)
	cmd.Dir, cmd.Env = s.dir, append(s.environment, "PATH="+filepath.Dir(s.binary))
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: rows, Cols: columns})
	if err != nil {
		return err
	}
	defer terminal.Close()
	done := step{line: line}
	seen, showErr := newScreen(wide, 500), error(nil)
	start, base := time.Now(), s.clock
	for buffer := make([]byte, 4096); ; {
		n, err := terminal.Read(buffer)
		s.clock = base + time.Since(start)
		s.show(string(buffer[:n]))
		showErr = errors.Join(showErr, seen.write(buffer[:n]))
		if bytes.Contains(buffer[:n], []byte("^C")) {
			base += afterKey
		}
		if p, bar := share(seen); interruptAt > 0 && done.moment == "" && p >= interruptAt {
			done.moment = bar
			if _, err := io.WriteString(terminal, "\x03"); err != nil {
				return err
			}
		}
		if err != nil { // EIO on Linux, EOF elsewhere: the command has closed the terminal
			break
		}
	}
	_ = cmd.Wait() // its exit code tells
	s.clock += reading
	code := cmd.ProcessState.ExitCode()
	if interruptAt > 0 && code == 0 {
		return errTooFast
	}
	if code != exitCode {
		return fmt.Errorf("%s: exit code %d, not %d:\n%s", line, code, exitCode, s.output(began))
	}
	done.output = lines(seen)
	s.steps = append(s.steps, done)
	return showErr
}

func (s *session) output(from int) string {
	var all strings.Builder
	for _, e := range s.events[from:] {
		all.Write(e.data)
	}
	return all.String()
}

var percent = regexp.MustCompile(`^\w+ +(\d+)%`)

// share returns the per cent of the status line, and that line.
func share(s *screen) (int, string) {
	all := lines(s)
	if len(all) == 0 {
		return 0, ""
	}
	bar := all[len(all)-1]
	m := percent.FindStringSubmatch(bar)
	if m == nil {
		return 0, ""
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0, ""
	}
	return n, bar
}

// lines is the text of a screen without the empty rows at its end.
func lines(s *screen) []string {
	all := s.text()
	for len(all) > 0 && all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	return all
}
