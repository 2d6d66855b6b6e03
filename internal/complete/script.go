package complete

import (
	"embed"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"drayage/internal/terminal"
)

//go:embed scripts
var scripts embed.FS

// Shells are the shells that have a script.
var Shells = []string{"bash", "zsh", "fish", "powershell"}

// Script returns the script of a shell, or an empty text.
func Script(shell string) string {
	if shell == "powershell" {
		shell = "ps1"
	}
	text, _ := scripts.ReadFile("scripts/drayage." + shell)
	return string(text)
}

// Answer answers the script of a shell, which calls drayage with args behind the name of the hidden command:
// the name of the shell, then for bash COMP_WORDBREAKS, for others the words before the cursor and the one at
// it. The line of bash comes from stdin. The answer is a line with a kind of [Paths] and how many characters
// to skip before one, then a line for each candidate: the word, a tab and what it is, which bash does not
// show.
func (c Completer) Answer(stdin io.Reader, w io.Writer, args []string) error {
	if len(args) < 2 {
		return nil
	}
	shell, words := args[0], args[1:]
	var r Reply
	switch last := len(words) - 1; shell {
	case "bash":
		line, err := io.ReadAll(io.LimitReader(stdin, maxLine))
		if err != nil {
			return err
		}
		r = c.Bash(string(line), words[0])
	case "powershell":
		words[last] = strings.TrimPrefix(words[last], "=")
		fallthrough
	default:
		r = c.Reply(words)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d\n", r.Paths, r.Skip)
	for _, x := range r.Candidates {
		if terminal.Line(x.Word) != x.Word { // what has been typed holds a line end or the like
			continue
		}
		b.WriteString(x.Word)
		if text := strings.ReplaceAll(terminal.Escape(x.Text, maxText), "\t", " "); shell != "bash" && text != "" {
			b.WriteString("\t" + text)
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// AnswerWithin is [Completer.Answer] that gives up after a time: a read of a pipe, or of a disk that is gone,
// knows no context. What then still waits ends with the program.
func (c Completer) AnswerWithin(most time.Duration, stdin io.Reader, w io.Writer, args []string) error {
	answer := make(chan error, 1)
	go func() { answer <- c.Answer(stdin, w, args) }()
	select {
	case err := <-answer:
		return err
	case <-time.After(most):
		return os.ErrDeadlineExceeded
	}
}

// maxLine is how much of a line is read.
const maxLine = 1 << 20

// maxText is how much of what a candidate is a shell shows.
const maxText = 100
