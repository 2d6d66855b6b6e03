package docs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// maxSkips is how many blocks of commands may stay untried.
const maxSkips = 3

// patience is for one command of a page.
const patience = 3 * time.Minute

// stubs are programs that need not be on this machine; testdata/stub stands in for them.
var stubs = []string{"aws", "cmd", "crictl", "ctr", "docker", "gcloud", "helm", "jq", "k3s", "kubeadm",
	"kubectl", "podman", "rsync", "scp", "ssh", "sudo", "systemctl", "umount"}

// plainTools are the programs of this machine that pages may use.
var plainTools = []string{"awk", "basename", "cat", "chmod", "cmp", "cp", "dd", "dirname", "env", "false",
	"find", "grep", "gzip", "head", "id", "ls", "mkdir", "mktemp", "mv", "printf", "rm", "sed", "sh",
	"sha256sum", "sleep", "sort", "split", "tail", "tar", "tee", "test", "touch", "tr", "true", "uniq", "wc",
	"zcat"}

// builtins are commands of the shell.
var builtins = []string{"cd", "echo", "export", "for", "if", "set", "unset", "while"}

func known(program string) bool {
	return program == "drayage" || slices.Contains(stubs, program) || slices.Contains(plainTools, program) ||
		slices.Contains(builtins, program)
}

// workshop is what all pages share.
type workshop struct {
	ca       *authority
	bin      string // the directory of all programs
	fixtures string // files that pages take for granted
}

// newWorkshop makes the programs, and archives as a team gets them from others.
func newWorkshop(t *testing.T) *workshop {
	ca, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w := &workshop{ca: ca, bin: filepath.Join(dir, "bin"), fixtures: filepath.Join(dir, "fixtures")}
	if err := makeBin(w.bin); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"password.txt", "key.json"} {
		write(t, filepath.Join(w.fixtures, name), "secret\n")
	}
	write(t, filepath.Join(w.fixtures, "images.txt"), "alpine:3.20\nnginx:1.27\nghcr.io/team/app:1\n")
	write(t, filepath.Join(w.fixtures, "corp-ca.pem"), string(ca.pem()))
	write(t, filepath.Join(w.fixtures, "cosign.pub"), string(cosignKey.PEM()))
	s := newShell(t, w)
	for _, line := range []string{
		"drayage save app:1 -o app.tar -q",
		"drayage save app:1 -o app.tar.gz -q",
		"drayage save alpine:3.20 nginx:1.27 -o delivered.tar -q",
		"drayage save app:1 -o oci:one -q && drayage tag oci:one:app:1 app:1.2",
		"drayage save one alpine:3.20 -o all.tar -q",
		"mv *.tar *.gz " + w.fixtures,
	} {
		if out, err := s.sh(line); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	return w
}

// makeBin fills a directory with the only programs that a page finds.
func makeBin(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	stub, err := filepath.Abs(filepath.Join("testdata", "stub"))
	if err != nil {
		return err
	}
	for _, name := range stubs {
		if err := os.Symlink(stub, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	for _, name := range plainTools {
		path, err := exec.LookPath(name)
		if err != nil {
			continue // the page that needs it says so
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	const wrapper = "#!/bin/sh\n%s \"$@\"\ncode=$?\necho \"$code drayage $*\" >>\"$CALLS\"\nexit $code\n"
	return os.WriteFile(filepath.Join(dir, "drayage"), fmt.Appendf(nil, wrapper, binary), 0o755)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// shell runs the commands of one page, as a person at one terminal does.
type shell struct {
	*testing.T
	dir  string // with work, home and what is remembered from one command to the next
	env  []string
	seen int // calls of drayage that have been judged
}

func newShell(t *testing.T, w *workshop) *shell {
	s := &shell{T: t, dir: t.TempDir()}
	for _, name := range []string{"work", "home", "tmp"} {
		if err := os.MkdirAll(filepath.Join(s.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(s.dir, "ca.pem"), string(w.ca.pem()))
	write(t, filepath.Join(s.dir, "state"), "")
	write(t, filepath.Join(s.dir, "calls"), "")
	write(t, filepath.Join(s.dir, "cwd"), filepath.Join(s.dir, "work"))
	proxy := startSite(t, w.ca).proxy.URL
	s.env = []string{"PATH=" + w.bin, "HOME=" + s.dir + "/home", "TMPDIR=" + s.dir + "/tmp", "LC_ALL=C",
		"XDG_RUNTIME_DIR=" + s.dir + "/run",
		"HTTPS_PROXY=" + proxy, "HTTP_PROXY=" + proxy, "SSL_CERT_FILE=" + s.dir + "/ca.pem",
		"CALLS=" + s.dir + "/calls", "FIXTURES=" + w.fixtures, "TOKEN=secret", "CI_JOB_TOKEN=secret",
		"CI_REGISTRY=registry.gitlab.com", "CI_REGISTRY_IMAGE=registry.gitlab.com/group/project"}
	return s
}

// sh runs one command. Directory and exported variables stay for the next.
func (s *shell) sh(command string, env ...string) (string, error) {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	before, after := "", ""
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		before, after = before+"export "+v+"\n", after+"unset "+name+"\n"
	}
	script := fmt.Sprintf(". %[1]s/state\ncd \"$(cat %[1]s/cwd)\"\n%[2]s%[3]s\ncode=$?\n%[4]s"+
		"export -p >%[1]s/state\npwd >%[1]s/cwd\nexit $code\n", s.dir, before, command, after)
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Env = s.env
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// calls returns the calls of drayage since it was asked last, each with its exit code in front.
func (s *shell) calls() []string {
	raw, err := os.ReadFile(filepath.Join(s.dir, "calls"))
	if err != nil {
		s.Fatal(err)
	}
	all := strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
	if len(raw) == 0 {
		all = nil
	}
	fresh := all[s.seen:]
	s.seen = len(all)
	return fresh
}

// TestCommands runs every page.
func TestCommands(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere no variable names the CA for all commands, as SSL_CERT_FILE does on Linux")
	}
	w := newWorkshop(t)
	var skips, ran, read atomic.Int64
	all := pages(t)
	t.Run("page", func(t *testing.T) {
		for _, p := range all {
			t.Run(strings.TrimSuffix(p.name, ".md"), func(t *testing.T) {
				t.Parallel()
				s, k := (&visit{page: p}).run(t, w)
				ran.Add(int64(s))
				skips.Add(int64(k))
				read.Add(1)
			})
		}
	})
	if skips.Load() > maxSkips {
		t.Errorf("%d blocks of commands are skipped, more than %d", skips.Load(), maxSkips)
	}
	if ran.Load() < 250 && read.Load() == int64(len(all)) {
		t.Errorf("only %d calls of drayage ran", ran.Load())
	}
	t.Logf("%d calls of drayage, %d blocks skipped", ran.Load(), skips.Load())
}

// visit is one reading of a page.
type visit struct {
	page
	*shell
	printed string // by the last block
	ran     int
	served  *background // what serves meanwhile, or nil
	address string      // of that
}

func (v *visit) run(t *testing.T, w *workshop) (ran, skips int) {
	v.shell = newShell(t, w)
	v.lay(w)
	for _, b := range v.blocks {
		commands := b.commands(known)
		if m, ok := b.find("skip"); ok {
			if !commands {
				t.Errorf("%s:%d: this block holds no commands to skip", v.name, m.line)
			}
			skips++
			continue
		}
		v.prepare(b)
		_, serves := b.find("serve")
		switch _, ok := b.find("output"); {
		case serves:
			v.serve(b)
		case ok:
			v.compare(b.line, b.lines, v.printed)
		case commands:
			v.block(b)
		}
		if t.Failed() {
			break // what follows builds on it
		}
	}
	return v.ran, skips
}

// lay puts the files there that the page takes for granted, and those that it shows.
func (v *visit) lay(w *workshop) {
	if err := os.CopyFS(filepath.Join(v.dir, "work"), os.DirFS(w.fixtures)); err != nil {
		v.Fatal(err)
	}
	for _, m := range v.loose {
		write(v.T, filepath.Join(v.dir, "work", m.arg), m.body)
	}
	for _, b := range v.blocks {
		if m, ok := b.find("file"); ok {
			write(v.T, filepath.Join(v.dir, "work", m.arg), strings.Join(b.lines, "\n")+"\n")
		}
	}
}

// prepare runs the hidden commands of a block.
func (v *visit) prepare(b block) {
	for _, m := range b.marks {
		if m.kind != "run" {
			continue
		}
		if out, err := v.sh(m.arg + "\n" + m.body); err != nil {
			v.Fatalf("%s:%d: %v\n%s", v.name, m.line, err, out)
		}
		v.calls()
	}
}

// block runs the commands of a block.
func (v *visit) block(b block) {
	want := 0
	if m, ok := b.find("exit"); ok {
		var err error
		if want, err = strconv.Atoi(m.arg); err != nil || want == 0 {
			v.Fatalf("%s:%d: no exit code of a failure: %q", v.name, m.line, m.arg)
		}
	}
	env, _ := b.find("env")
	v.printed = ""
	steps := b.steps()
	var codes []string
	for i, st := range steps {
		if m := typed.FindStringSubmatch(st.command); m != nil && !known(m[2]) && !drayage.MatchString(st.command) {
			continue // a program that may not be here, and has nothing to do with drayage
		}
		out, err := v.sh(v.here(st.command), strings.Fields(env.arg)...)
		if v.address != "" {
			out = strings.ReplaceAll(out, v.address, usualAddress)
		}
		v.printed += out
		calls := v.calls()
		codes = append(codes, calls...)
		last := !slices.ContainsFunc(steps[i+1:], func(st step) bool { return drayage.MatchString(st.command) })
		if bad := wrong(calls, err, want, last); bad != "" {
			v.Errorf("%s:%d: %s: %s\n%s", v.name, st.line, st.command, bad, out)
			return
		}
		if st.output != nil {
			v.compare(st.line+1, st.output, out)
		}
	}
	failed := func(call string) bool { return strings.HasPrefix(call, strconv.Itoa(want)+" ") }
	if !slices.ContainsFunc(codes, failed) && len(codes)+want > 0 {
		v.Errorf("%s:%d: no call of drayage ended with exit code %d", v.name, b.line, want)
	}
	v.ran += len(codes)
}

// wrong judges one command: with want, its last call of drayage has to fail so.
func wrong(calls []string, err error, want int, last bool) string {
	for i, call := range calls {
		code, _, _ := strings.Cut(call, " ")
		expected := "0"
		if last && i == len(calls)-1 {
			expected = strconv.Itoa(want)
		}
		if code != expected {
			return fmt.Sprintf("exit code %s, and not %s", code, expected)
		}
	}
	switch {
	case last && want != 0 && len(calls) == 0 && err != nil:
		return "drayage was not called"
	case err != nil && !(last && want != 0):
		return err.Error()
	}
	return ""
}

var (
	digests = regexp.MustCompile(`(sha256:)?\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b|sha256:[0-9a-f.]+`)
	sizes   = regexp.MustCompile(`\b[0-9]+(\.[0-9]+)? (B|kB|MB|GB)(/s)?\b`)
	times   = regexp.MustCompile(`\b[0-9]+(\.[0-9]+)? ?(ms|s)\b`)
	spaces  = regexp.MustCompile(`[ \t]+`)
)

// level takes out of a text what differs from run to run.
func level(text string) string {
	text = digests.ReplaceAllString(text, "DIGEST")
	text = sizes.ReplaceAllString(text, "SIZE")
	text = times.ReplaceAllString(text, "TIME")
	text = spaces.ReplaceAllString(text, " ")
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// pattern makes an expression of the output that a page shows.
func pattern(lines []string) *regexp.Regexp {
	var b strings.Builder
	for line := range strings.Lines(level(strings.Join(lines, "\n"))) {
		if line = strings.TrimSpace(line); line == "..." {
			b.WriteString(`(?:[^\n]*\n)*`)
			continue
		}
		b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), `\.\.\.`, `[^\n]*`) + "\n")
	}
	return regexp.MustCompile("^" + b.String() + "$")
}

// compare compares what a page shows with what was printed.
func (v *visit) compare(line int, want []string, got string) {
	if !pattern(want).MatchString(level(got)) {
		v.Errorf("%s:%d: the page says\n%s\nand the command\n%s", v.name, line, strings.Join(want, "\n"), got)
	}
}
