package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"
)

// soon bounds what a script waits for, on a machine that is very busy too.
const soon = 2 * time.Minute

// serving is a serve command that a script has started.
type serving struct {
	cmd   *exec.Cmd
	ended chan struct{}

	mu       sync.Mutex
	out, err bytes.Buffer
}

// locked is one of the outputs.
type locked struct {
	*serving
	to *bytes.Buffer
}

func (l locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(b)
}

func (s *serving) text(of *bytes.Buffer) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return of.String()
}

// until waits until an output has what is expected. It fails if the command ends before.
func (s *serving) until(ts *testscript.TestScript, of *bytes.Buffer, pattern string) string {
	expected := regexp.MustCompile("(?m)" + pattern)
	for end := time.Now().Add(soon); ; time.Sleep(10 * time.Millisecond) {
		over := false
		select {
		case <-s.ended:
			over = true
		default:
		}
		if text := s.text(of); expected.MatchString(text) {
			return text
		}
		if over || time.Now().After(end) {
			ts.Fatalf("no %q in time:\n%s%s", pattern, s.text(&s.out), s.text(&s.err))
		}
	}
}

// startServing NAME ARGS starts drayage serve at a free address, which NAME holds when it is ready.
func startServing(ts *testscript.TestScript, _ bool, args []string) {
	s := &serving{ended: make(chan struct{})}
	s.cmd = exec.Command("drayage", append([]string{"serve", "--addr", "127.0.0.1:0"}, args[1:]...)...)
	s.cmd.Path = lookDrayage(ts)
	s.cmd.Dir = ts.MkAbs(".")
	s.cmd.Env = scriptEnv(ts)
	s.cmd.Stdout, s.cmd.Stderr = locked{s, &s.out}, locked{s, &s.err}
	ts.Check(s.cmd.Start())
	go func() {
		s.cmd.Wait()
		close(s.ended)
	}()
	ts.Defer(func() {
		s.cmd.Process.Kill()
		<-s.ended
	})
	text := s.until(ts, &s.out, `^(https?://\S+|}) *\n`)
	ts.Setenv(args[0], regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(text))
	servings(ts)[args[0]] = s
}

func servings(ts *testscript.TestScript) map[string]*serving {
	return ts.Value("SERVING").(map[string]*serving)
}

func lookDrayage(ts *testscript.TestScript) string {
	for _, dir := range strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		if path, err := exec.LookPath(dir + "/drayage"); err == nil {
			return path
		}
	}
	ts.Fatalf("no drayage in PATH")
	return ""
}

func scriptEnv(ts *testscript.TestScript) (env []string) {
	for _, name := range []string{"PATH", "HOME", "XDG_CACHE_HOME", "DOCKER_CONFIG", "DRAYAGE_CONFIG", "TMPDIR",
		"XDG_RUNTIME_DIR", "GORACE", "SystemRoot", "GOCOVERDIR"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

// servingSaid NAME REGEXP waits until the command has said something. With ! it has not said so until now.
func servingSaid(ts *testscript.TestScript, neg bool, args []string) {
	s := servings(ts)[args[0]]
	if !neg {
		s.until(ts, &s.err, args[1])
	} else if regexp.MustCompile("(?m)" + args[1]).MatchString(s.text(&s.err)) {
		ts.Fatalf("it has said so:\n%s", s.text(&s.err))
	}
}

// hangUp NAME sends SIGHUP.
func hangUp(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(servings(ts)[args[0]].cmd.Process.Signal(syscall.SIGHUP))
}

// stopServing NAME interrupts the command, which has to end with exit code 0. Its outputs are those of the
// script's last command then.
func stopServing(ts *testscript.TestScript, _ bool, args []string) {
	s := servings(ts)[args[0]]
	ts.Check(s.cmd.Process.Signal(os.Interrupt))
	select {
	case <-s.ended:
	case <-time.After(soon):
		ts.Fatalf("it does not end")
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		ts.Fatalf("exit code %d:\n%s", code, s.text(&s.err))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".out"), []byte(s.text(&s.out)), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".err"), []byte(s.text(&s.err)), 0o644))
}

// sameDigest compares the digests of two images.
func sameDigest(ts *testscript.TestScript, neg bool, args []string) {
	var digests []string
	for _, name := range args {
		cmd := exec.Command(lookDrayage(ts), "digest", name)
		cmd.Dir, cmd.Env = ts.MkAbs("."), scriptEnv(ts)
		out, err := cmd.Output()
		if err != nil {
			ts.Fatalf("digest %s: %v", name, err)
		}
		_, digest, _ := strings.Cut(strings.TrimSpace(string(out)), "@")
		digests = append(digests, digest)
	}
	if (digests[0] == digests[1]) == neg || digests[0] == "" {
		ts.Fatalf("%v: %v", args, digests)
	}
}

// cutOff HOST REPOSITORY TAG pulls the layers of an image. One of them has to break off.
func cutOff(ts *testscript.TestScript, _ bool, args []string) {
	get := func(path string) ([]byte, error) {
		resp, err := http.Get("http://" + args[0] + "/v2/" + args[1] + path)
		ts.Check(err)
		defer resp.Body.Close()
		return io.ReadAll(resp.Body)
	}
	defer http.DefaultClient.CloseIdleConnections()
	raw, err := get("/manifests/" + args[2])
	ts.Check(err)
	var m v1.Manifest
	ts.Check(json.Unmarshal(raw, &m))
	cut := 0
	for _, l := range m.Layers {
		if got, err := get("/blobs/" + l.Digest.String()); err != nil {
			cut++
		} else if digest.FromBytes(got) != l.Digest {
			ts.Fatalf("%s is wrong and whole", l.Digest)
		}
	}
	if cut == 0 {
		ts.Fatalf("all %d layers are whole", len(m.Layers))
	}
}
