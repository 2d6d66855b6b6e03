package dockerauth

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/docker/docker-credential-helpers/client"
)

const (
	// maxAnswer bounds what a helper says. Tokens that serve as passwords reach some kilobytes.
	maxAnswer = 256 << 10
	// maxSaid bounds the part of a helper's complaint that is repeated.
	maxSaid = 300
	// lingering is how long programs that a helper has started may keep its output open after its end.
	lingering = time.Second
)

// program runs a helper as client.Program. It ends with its context, its output is bounded, and its standard
// error stays off the user's terminal: that may hold anything.
type program struct {
	ctx    context.Context // of the one call that this is for
	binary string
	cmd    *exec.Cmd
	stdout answer
	stderr answer
	err    error // why the program failed, without what it said
}

func (p *program) start(args ...string) client.Program {
	p.cmd = exec.CommandContext(p.ctx, p.binary, args...)
	p.cmd.WaitDelay = lingering
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	return p
}

// Input implements client.Program.
func (p *program) Input(in io.Reader) { p.cmd.Stdin = in }

// Output implements client.Program.
func (p *program) Output() ([]byte, error) {
	p.err = p.cmd.Run()
	if errors.Is(p.err, exec.ErrWaitDelay) { // it did its work and left an agent behind
		p.err = nil
	}
	if p.err == nil && p.stdout.over {
		p.err = errors.New("it says too much")
	}
	return p.stdout.kept.Bytes(), p.err
}

// said is the complaint of a program that failed: on standard output, as the protocol wants it, or else on
// standard error. It is empty if the text may hold credentials.
func (p *program) said(secret string) string {
	for _, text := range []string{p.stdout.kept.String(), p.stderr.kept.String()} {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		if strings.ContainsAny(text, "{}") || secret != "" && strings.Contains(text, secret) {
			return ""
		}
		if len(text) > maxSaid {
			text = text[:maxSaid] + "..."
		}
		return text
	}
	return ""
}

// answer keeps the first maxAnswer bytes that are written to it.
type answer struct {
	kept bytes.Buffer // not embedded: its ReadFrom knows no bound
	over bool
}

// Write implements io.Writer.
func (a *answer) Write(p []byte) (int, error) {
	room := maxAnswer - a.kept.Len()
	if len(p) > room {
		a.over = true
		a.kept.Write(p[:room])
		return len(p), nil
	}
	return a.kept.Write(p)
}
