package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// say prints one line of explanation.
func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, format+"\n", args...)
}

// heading opens a numbered step.
func (d *demo) heading(title string) {
	d.step++
	fmt.Fprintf(d.out, "\n%d. %s\n", d.step, title)
}

// passed reports a check that was made without drayage.
func (d *demo) passed(format string, args ...any) {
	d.say("\n   ok: "+format, args...)
}

// drayage shows and runs one command line of the binary under test, away from the user's credentials and
// caches.
func (d *demo) drayage(ctx context.Context, args ...string) error {
	cmd := d.tool(ctx, d.binary, args...)
	cmd.Env = append(os.Environ(),
		"DOCKER_CONFIG="+filepath.Join(d.dir, "..", "docker-config"),
		"REGISTRY_AUTH_FILE=",
		"XDG_CACHE_HOME="+filepath.Join(d.dir, "..", "cache"),
	)
	return d.show("drayage", cmd)
}

// show prints a command line as a user would type it, runs it, and shows its output as it comes.
func (d *demo) show(name string, cmd *exec.Cmd) error {
	d.say("\n   $ %s %s", name, strings.Join(cmd.Args[1:], " "))
	out := &indenter{w: d.out, prefix: "   "}
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	if flushErr := out.flush(); err == nil {
		err = flushErr
	}
	if err != nil {
		return fmt.Errorf("%s %s: %v", name, cmd.Args[1], err)
	}
	return nil
}

// tool prepares a command in the working directory. When ctx ends it is asked to stop, and killed if it does
// not.
func (d *demo) tool(ctx context.Context, binary string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = d.dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// indenter prefixes every line, so that a command's output is told from the demo's own words. A line that is
// redrawn with carriage returns is shown in its last state.
type indenter struct {
	w       io.Writer
	prefix  string
	pending bytes.Buffer
}

func (i *indenter) Write(p []byte) (int, error) {
	i.pending.Write(p)
	for {
		line, err := i.pending.ReadString('\n')
		if errors.Is(err, io.EOF) {
			i.pending.WriteString(line)
			return len(p), nil
		}
		if err := i.line(line); err != nil {
			return 0, err
		}
	}
}

func (i *indenter) line(line string) error {
	line = strings.TrimRight(line, "\r\n")
	line = line[strings.LastIndexByte(line, '\r')+1:]
	_, err := fmt.Fprintf(i.w, "%s%s\n", i.prefix, line)
	return err
}

func (i *indenter) flush() error {
	if i.pending.Len() == 0 {
		return nil
	}
	return i.line(i.pending.String())
}

// size writes a byte count for people.
func size(n int64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d bytes", n)
}
