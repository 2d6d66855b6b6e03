package main

import (
	"bytes"
	"io"

	"github.com/urfave/cli/v2"
)

// rawFlags are those of commands that print bytes as they are.
func rawFlags(own ...cli.Flag) []cli.Flag {
	quiet := &cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "no progress and no notes, only results and errors"}
	return append(append(own, registryFlags()...), tempDirFlag(), quiet)
}

// rawOutput is standard output for bytes from elsewhere. A terminal gets text only: anything else could
// reprogram it.
func (e *environment) rawOutput() io.Writer {
	if e.stdoutIsTerminal() {
		return textOnly{e.stdout}
	}
	return e.stdout
}

// textOnly refuses what is not text.
type textOnly struct{ io.Writer }

// Write implements io.Writer.
func (w textOnly) Write(p []byte) (int, error) {
	if isBinary(p) {
		return 0, usagef("the content is binary and not for a terminal: give -o FILE, or send the output somewhere")
	}
	return w.Writer.Write(p)
}

// isBinary reports whether p has control characters, those of 8-bit terminals (U+0080 to U+009F) among them.
func isBinary(p []byte) bool {
	for i, c := range p {
		switch {
		case c < ' ' && c != '\n' && c != '\t' && c != '\r', c == 0x7f:
			return true
		case c == 0xc2 && i+1 < len(p) && p[i+1] >= 0x80 && p[i+1] <= 0x9f:
			return true
		}
	}
	return false
}

// printRaw writes bytes to standard output as they are.
func (e *environment) printRaw(p []byte) error {
	_, err := io.Copy(e.rawOutput(), bytes.NewReader(p))
	return err
}
