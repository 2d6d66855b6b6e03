package docs

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// background is a command of a page that goes on while the next ones run.
type background struct {
	cmd   *exec.Cmd
	ended chan error
	lines chan string // the first one on standard output
	text  output
}

// output is what a command has printed until now.
type output struct {
	mu    sync.Mutex
	bytes bytes.Buffer
	lines chan<- string
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.bytes.Write(p)
	if m := readyLine.FindSubmatch(o.bytes.Bytes()); m != nil && o.lines != nil {
		o.lines <- string(m[1])
		o.lines = nil
	}
	return n, err
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes.String()
}

var (
	readyLine = regexp.MustCompile(`(?m)^https?://(\S+)$`)
	addrFlag  = regexp.MustCompile(` --addr \S+`)
)

// usualAddress is where pages expect a registry that is served.
const usualAddress = "127.0.0.1:5000"

// serve starts the one command of a block, which goes on until the next such block or the end of the page. It
// listens at a free address, which takes the place of the usual one in all commands that follow.
func (v *visit) serve(b block) {
	v.endServing()
	steps := b.steps()
	if len(steps) != 1 || !strings.HasPrefix(steps[0].command, "drayage serve ") {
		v.Fatalf("%s:%d: one command that serves, and nothing else, can go on", v.name, b.line)
	}
	command := addrFlag.ReplaceAllString(steps[0].command, "") + " --addr 127.0.0.1:0"
	cmd := exec.Command("sh", "-c", ". "+v.dir+"/state\ncd \"$(cat "+v.dir+"/cwd)\"\nexec "+
		strings.Replace(command, "drayage", binary, 1))
	ready := make(chan string, 1)
	v.served = &background{cmd: cmd, ended: make(chan error, 1), lines: ready, text: output{lines: ready}}
	cmd.Env, cmd.Stdout, cmd.Stderr = v.env, &v.served.text, &v.served.text
	if err := cmd.Start(); err != nil {
		v.Fatal(err)
	}
	go func(s *background) { s.ended <- s.cmd.Wait() }(v.served)
	v.Cleanup(v.endServing)
	select {
	case v.address = <-ready:
		v.ran++
	case err := <-v.served.ended:
		v.Fatalf("%s:%d: it ended: %v\n%s", v.name, b.line, err, &v.served.text)
	case <-time.After(patience):
		v.Fatalf("%s:%d: it is not ready in time:\n%s", v.name, b.line, &v.served.text)
	}
	v.printed = strings.ReplaceAll(v.served.text.String(), v.address, usualAddress)
	if steps[0].output != nil {
		v.compare(steps[0].line+1, steps[0].output, v.printed)
	}
}

// endServing interrupts what goes on. It has to end well.
func (v *visit) endServing() {
	s := v.served
	if s == nil {
		return
	}
	v.served, v.address = nil, ""
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		v.Errorf("%s: %v", v.name, err)
	}
	select {
	case err := <-s.ended:
		if err != nil {
			v.Errorf("%s: what serves ended with %v:\n%s", v.name, err, &s.text)
		}
	case <-time.After(patience):
		_ = s.cmd.Process.Signal(syscall.SIGKILL)
		v.Errorf("%s: what serves does not end:\n%s", v.name, &s.text)
	}
}

// here puts the real address of what serves into a command.
func (v *visit) here(command string) string {
	if v.address == "" {
		return command
	}
	return strings.ReplaceAll(command, usualAddress, v.address)
}
