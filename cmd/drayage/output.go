package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"drayage/internal/durable"
	"drayage/internal/interrupt"
	"drayage/internal/progress"
	"drayage/internal/report"
	"drayage/internal/secrets"
	"drayage/internal/settings"
	"drayage/internal/shard"
	"drayage/internal/sign"
	"drayage/internal/tell"
	"drayage/internal/terminal"
)

// environment is where a command reads and writes.
type environment struct {
	stdin          *os.File
	stdout, stderr io.Writer        // for text: what is not printable is escaped, secrets are masked
	rawOut, rawErr io.Writer        // as they are: for the bytes of tars and blobs
	screen         *progress.Screen // is below stdout and stderr where they are a terminal
	mask           func(string) string
	tell           *tell.Writer // on stderr: what is no result
	signals        *interrupt.Signals

	command  string           // the name of the command that was typed
	json     bool             // it prints a document
	document *report.Document // its result, as far as it has one

	keys   *sign.Keys         // of --key; nil: no signature is asked for
	signed []report.Signature // that hold

	shard shard.Shard   // of --shard; the zero value has all images
	part  *report.Shard // how much of the work that is, once it is known

	unwritten error                       // of a help page
	elsewhere map[string]settings.Setting // flags that are set, but not on the command line
}

func newEnvironment(args []string, stdin *os.File, stdout, stderr io.Writer) *environment {
	mask, screen := secrets.Masking(withVariables(args)), progress.NewScreen(stderr)
	e := &environment{stdin: stdin, rawOut: stdout, rawErr: stderr, screen: screen, mask: mask}
	e.elsewhere = map[string]settings.Setting{}
	e.stdout, e.stderr = terminal.Writer{W: e.aboveStatus()}, terminal.Writer{W: screen, Mask: mask}
	e.tell = &tell.Writer{W: e.stderr, Mask: mask, JSON: logsJSON(args)}
	return e
}

// aboveStatus is standard output. On a terminal it comes out above the status line.
func (e *environment) aboveStatus() io.Writer {
	if isTerminal(e.rawOut) {
		return e.screen.Above(e.rawOut)
	}
	return e.rawOut
}

// note tells the user something that is not a result.
func (c call) note(format string, args ...any) {
	if !c.Bool("quiet") {
		c.tell.Note(format, args...)
	}
}

// sayImage says that an image is complete.
func (c call) sayImage(name, digest, format string, args ...any) {
	if !c.Bool("quiet") {
		c.tell.Say(tell.Line{Level: tell.Info, Event: "image", Image: name, Digest: digest,
			Message: terminal.Sprintf(format, args...)})
	}
}

// reported is an error in a JSON result.
func (e *environment) reported(ctx context.Context, err error) *report.Error {
	if err == nil {
		return nil
	}
	return &report.Error{Code: report.Code(exitCode(ctx, err)), Text: e.mask(e.describe(err))}
}

// rawOutput is standard output for bytes from elsewhere.
func (e *environment) rawOutput() io.Writer {
	if isTerminal(e.rawOut) {
		return terminal.TextOnly{W: e.aboveStatus()}
	}
	return e.rawOut
}

// result keeps doc for the end of the command, which prints it with --json. Otherwise it prints the lines.
func (c call) result(doc report.Document, lines []string) error {
	doc.Source, doc.Destination = c.mask(doc.Source), c.mask(doc.Destination)
	doc.Signatures, doc.Shard = c.signed, c.part
	c.document = &doc
	if c.Bool("json") || len(lines) == 0 {
		return nil
	}
	var b strings.Builder
	b.Grow(len(lines) * (1 + len(lines[0])))
	for _, l := range lines {
		b.WriteString(terminal.Line(l))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(c.stdout, b.String())
	return err
}

// wantsJSON reports whether a command prints a document. With -o - standard output is for
// something else, unless nothing is written.
func wantsJSON(c *cli.Context) bool {
	return c.Bool("json") && (c.String("output") != "-" || c.Bool("dry-run"))
}

// printDocument prints the document of a command that has ended with err, if the user wants one.
func (e *environment) printDocument(ctx context.Context, err error) error {
	if !e.json || err == nil && e.document == nil { // there are commands without a result
		return err
	}
	doc := cmp.Or(e.document, &report.Document{})
	doc.Schema, doc.Command = report.Schema, e.command
	doc.OK, doc.ExitCode, doc.Error = err == nil, exitCode(ctx, err), e.reported(ctx, err)
	text, printErr := encode(doc)
	if printErr == nil {
		_, printErr = io.WriteString(e.stdout, text)
	}
	return errors.Join(err, printErr)
}

// encode writes v as JSON that keeps < and &, and ends it with a line end.
func encode(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return b.String(), err
}

// inOrder reports whether an output cannot be written out of order: it is standard output, a device or a
// named pipe.
func inOrder(out string) bool { return out == "-" || durable.InOrder(out) }

// writeInOrder calls write for an output that cannot be written out of order: stdout for -, a device or a
// named pipe. For any other file it returns false and does nothing.
func writeInOrder(out string, stdout io.Writer, write func(io.Writer) error) (bool, error) {
	if out == "-" {
		return true, write(stdout)
	}
	if !durable.InOrder(out) {
		return false, nil
	}
	f, err := os.OpenFile(out, os.O_WRONLY, 0)
	if err != nil {
		return true, err
	}
	return true, errors.Join(write(f), f.Close())
}
