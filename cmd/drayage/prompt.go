package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// ask asks on the terminal.
func (e *environment) ask(ctx context.Context, what string, read func(*os.File) (string, error)) (string, error) {
	fd := int(e.stdin.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return "", usagef("there is no terminal to ask on: give --username USER and --password-stdin")
	}
	fmt.Fprintf(e.stderr, "%s: ", what)
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() { // nothing stops the read of a terminal: after an interrupt it ends with the process
		text, err := read(e.stdin)
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return "", fmt.Errorf("%s: %w", strings.ToLower(what), a.err)
		}
		return a.text, nil
	case <-ctx.Done():
		fmt.Fprintln(e.stderr)
		return "", errors.Join(context.Cause(ctx), term.Restore(fd, state)) // it may have been told to show nothing
	}
}

// readLine reads no more than a line, so that what has been typed ahead is there for the next.
func readLine(f *os.File) (string, error) {
	var line strings.Builder
	for b := make([]byte, 1); line.Len() < maxPassword; {
		n, err := f.Read(b)
		if n > 0 && b[0] == '\n' {
			break
		}
		line.Write(b[:n])
		if err == io.EOF && line.Len() == 0 {
			return "", io.ErrUnexpectedEOF
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err
		}
	}
	return strings.TrimSpace(line.String()), nil
}

// readSecret reads a line that does not appear on the terminal.
func (e *environment) readSecret(f *os.File) (string, error) {
	defer fmt.Fprintln(e.stderr)
	text, err := term.ReadPassword(int(f.Fd()))
	return string(text), err
}
