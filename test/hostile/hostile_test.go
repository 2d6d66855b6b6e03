//go:build linux

package hostile_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"drayage/test/hostile"
	"drayage/test/provide"
	"drayage/test/registry3"
	"drayage/test/reliability"
	"drayage/test/wire"
)

var update = flag.Bool("update", false, "enter the figures into the results for docs/reliability.md")

const (
	peakLimit      = 100 << 20 // bytes of resident memory
	commandTimeout = 3 * time.Minute
	exitIntegrity  = 6
)

var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "drayage-hostile-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := 1
	if binary, err = provide.Binary(context.Background(), dir); err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, "hostile:", err)
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// run is one way in which drayage reads the archive in.tar.
type run struct {
	name string
	args []string
	pipe bool // in.tar is given by a pipe
	look bool // it reads descriptions only, and need not see what is wrong with layers
}

func runs(a hostile.Archive, target string) []run {
	save := []string{"save", "in.tar", "-o", "out.tar"}
	if a.OCI {
		save = append(save, "--format", "oci", "--platform", "all")
	}
	return []run{
		{name: "inspect", args: []string{"inspect", "in.tar"}, look: true},
		{name: "verify", args: []string{"verify", "in.tar"}},
		{name: "save", args: save},
		{name: "push", args: []string{"push", "in.tar", target}},
		{name: "inspect of a pipe", args: []string{"inspect", "-"}, pipe: true, look: true},
		{name: "push of a pipe", args: []string{"push", "-", target}, pipe: true},
	}
}

// figures is what came of all attacks on one way of reading.
type figures struct {
	refused, taken int
	peak           int64
	worst          string // the attack that took the most memory
	slowest        time.Duration
	longest        string // the attack that took the most time
}

// Every attack is refused, or taken for the oddity that it is, by whatever reads archives: within bounds,
// without a file or an image that should not be there, and without a control character on the terminal.
func TestArchives(t *testing.T) {
	private, err := registry3.Start(t.Context(), registry3.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(private.Close)
	var mu sync.Mutex
	all := map[string]*figures{}
	t.Cleanup(func() { enter(t, all) })
	for i, a := range hostile.Archives() {
		t.Run(fmt.Sprintf("%d/%s", a.Case, a.Name), func(t *testing.T) {
			t.Parallel()
			w := &world{T: t, dir: t.TempDir()}
			if err := a.Write(w.path("in.tar")); err != nil {
				t.Fatal(err)
			}
			repository := fmt.Sprint("hostile/", i)
			for _, r := range runs(a, private.Addr()+"/"+repository+":1") {
				took := w.attack(a, r)
				mu.Lock()
				all[r.name] = count(all[r.name], a, took)
				mu.Unlock()
			}
			if _, err := (&wire.Repository{URL: private.URL(), Name: repository}).Manifest(t.Context(),
				"1"); err == nil && !a.Taken {
				t.Error("the registry has an image of it")
			}
		})
	}
}

func count(f *figures, a hostile.Archive, took outcome) *figures {
	if f == nil {
		f = &figures{}
	}
	if took.code == 0 {
		f.taken++
	} else {
		f.refused++
	}
	if took.peak > f.peak {
		f.peak, f.worst = took.peak, a.Name
	}
	if took.time > f.slowest {
		f.slowest, f.longest = took.time, a.Name
	}
	return f
}

type world struct {
	*testing.T
	dir string
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

type outcome struct {
	code int
	peak int64
	time time.Duration
}

// tooLarge reports whether an error says that nothing is wrong but the memory that a layer takes.
func tooLarge(stderr string) bool { return strings.Contains(stderr, "larger than the limit") }

// attack lets drayage read the archive in one way and checks what must hold for all of them.
func (w *world) attack(a hostile.Archive, r run) outcome {
	w.Helper()
	o, stdout, stderr := w.drayage(r)
	said := fmt.Sprintf("%s: exit %d: %s", r.name, o.code, strings.TrimSpace(stderr))
	taken := a.Taken && !(a.Named && r.name == "verify")
	switch {
	case taken && o.code != 0:
		w.Errorf("refused: %s", said)
	case !taken && o.code == 0 && !r.look:
		w.Errorf("taken: %s", said)
	case o.code != 0 && o.code != exitIntegrity && !r.look && !(o.code == 1 && (a.OCI || tooLarge(stderr))):
		w.Errorf("exit code: %s", said)
	}
	if o.peak > peakLimit {
		w.Errorf("%d MiB of memory: %s", o.peak>>20, said)
	}
	if strings.Contains(stderr, "panic:") || strings.Contains(stderr, "goroutine ") {
		w.Errorf("it broke down: %s", said)
	}
	if strings.ContainsFunc(stdout+stderr, func(c rune) bool {
		return unicode.IsControl(c) && c != '\n' && c != '\t'
	}) {
		w.Errorf("control characters: %q %q", stdout, stderr)
	}
	w.checkFiles(a.Taken && r.name == "save")
	return o
}

// drayage runs the command and measures it.
func (w *world) drayage(r run) (o outcome, stdout, stderr string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), commandTimeout)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		w.Fatal(err)
	}
	report := filepath.Join(w.TempDir(), "peak")
	cmd := exec.CommandContext(ctx, self, append([]string{binary}, r.args...)...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), measureEnv+"="+report, "HOME="+w.dir, "DOCKER_CONFIG="+w.dir,
		"XDG_CACHE_HOME="+filepath.Dir(report), "XDG_RUNTIME_DIR="+w.dir, "TMPDIR="+w.dir, "REGISTRY_AUTH_FILE=")
	cmd.WaitDelay = 5 * time.Second
	if r.pipe {
		f, err := os.Open(w.path("in.tar"))
		if err != nil {
			w.Fatal(err)
		}
		defer f.Close()
		cmd.Stdin = struct{ io.Reader }{f} // not the file itself, which would be read in place
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	begun := time.Now()
	runErr := cmd.Run()
	took := time.Since(begun)
	raw, err := os.ReadFile(report)
	if err != nil {
		w.Fatalf("%v did not end: %v\n%s", r.args, runErr, errs.String())
	}
	kib, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		w.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), kib << 10, took}, out.String(), errs.String()
}

// checkFiles checks that there is nothing but the archive, and what was saved of it if it is one to be taken.
func (w *world) checkFiles(saved bool) {
	w.Helper()
	err := filepath.WalkDir(w.dir, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(w.dir, path)
		if err == nil && !slices.Contains([]string{".", "in.tar"}, rel) && !(saved && rel == "out.tar") {
			w.Errorf("there is a file %s", rel)
		}
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	if saved {
		os.Remove(w.path("out.tar"))
	}
	for _, evil := range []string{"/tmp/drayage-evil", filepath.Join(filepath.Dir(w.dir), "drayage-evil"),
		filepath.Join(filepath.Dir(filepath.Dir(w.dir)), "drayage-evil")} {
		if _, err := os.Lstat(evil); err == nil {
			w.Errorf("there is a file %s", evil)
		}
	}
}

// enter writes the figures, if they are wanted and everything was run.
func enter(t *testing.T, all map[string]*figures) {
	archives := hostile.Archives()
	first := runs(archives[0], "")
	if f := all[first[0].name]; !*update || f == nil || f.refused+f.taken < len(archives) {
		return
	}
	s := reliability.Section{
		Title: "Hostile archives", Date: time.Now().UTC().Format(time.DateOnly),
		Source: "go test ./hostile -update",
		Text: fmt.Sprintf(
			"%d archives attack the reader (cases 42 to 60), and each is read in six ways. Every wrong "+
				"archive is refused, and every archive that is only odd is taken. A command that only looks "+
				"does not read layers, and so does not see what is wrong with them. Peak memory includes 18 MiB "+
				"of the program that measures. The longest time is of a machine that is busy with the other "+
				"archives.", len(archives)),
		Head: []string{"read by", "refused", "taken", "peak memory", "most by", "longest time", "longest by"},
	}
	for _, r := range first {
		f := all[r.name]
		s.Rows = append(s.Rows, []string{r.name, fmt.Sprint(f.refused), fmt.Sprint(f.taken),
			fmt.Sprintf("%d MiB", f.peak>>20), f.worst, fmt.Sprintf("%.1f s", f.slowest.Seconds()), f.longest})
	}
	if err := s.Save(filepath.Join("..", "reliability", "testdata"), "70-hostile"); err != nil {
		t.Error(err)
	}
}
