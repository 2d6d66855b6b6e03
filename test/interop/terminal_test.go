//go:build linux

package interop

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"drayage/internal/fakeregistry"
	"drayage/internal/imagetest"
	"drayage/test/faultreg"
)

// slow is a registry that moves layers at a rate that people can watch, until it may hurry.
type slow struct {
	*faultreg.Server
	hurry atomic.Bool
}

const watched = 100 << 10 // bytes in a second of each stream

func startSlow(t *testing.T) *slow {
	t.Helper()
	reg := fakeregistry.New()
	base := randomBytes(1, 1<<20)
	for i := range 2 {
		own := randomBytes(uint64(2+i), 2<<20)
		layers := []imagetest.Layer{imagetest.GzipLayer(base), imagetest.GzipLayer(own)}
		reg.PutImage("team/app", fmt.Sprint(1+i), imagetest.Image{Layers: layers})
	}
	s := &slow{Server: faultreg.Start(reg, false)}
	t.Cleanup(s.Close)
	s.On(fakeregistry.Match{Path: "/blobs/"}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			req.Body = struct {
				io.Reader
				io.Closer
			}{&slowReader{req.Body, s}, req.Body}
			next.ServeHTTP(&slowWriter{w, s}, req)
		})
	})
	return s
}

func randomBytes(seed uint64, n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed)}).Read(p)
	return p
}

const piece = 10 << 10

func (s *slow) rest() {
	if !s.hurry.Load() {
		time.Sleep(piece * time.Second / watched)
	}
}

type slowReader struct {
	r io.Reader
	s *slow
}

func (r *slowReader) Read(p []byte) (int, error) {
	r.s.rest()
	return r.r.Read(p[:min(len(p), piece)])
}

type slowWriter struct {
	http.ResponseWriter
	s *slow
}

func (w *slowWriter) Write(p []byte) (n int, err error) {
	for part := range slices.Chunk(p, piece) {
		m, err := w.ResponseWriter.Write(part)
		if n += m; err != nil {
			return n, err
		}
		http.NewResponseController(w.ResponseWriter).Flush()
		w.s.rest()
	}
	return n, nil
}

// pane is a terminal in tmux.
type pane struct {
	*testing.T
	socket string
}

// newPane runs a command line in a terminal that is full of text already.
func newPane(t *testing.T, width int, command string) *pane {
	t.Helper()
	dir := scratch(t)
	p := &pane{t, filepath.Join(dir, "s")}
	script := filepath.Join(dir, "run")
	text := "cd " + dir + "\nseq 20\n" + command + "\necho ended with $?\nsleep 1000\n"
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p.tmux("-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(width), "-y", "12", "sh "+script)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = exec.CommandContext(ctx, "tmux", "-S", p.socket, "kill-server").Run()
	})
	return p
}

func (p *pane) tmux(args ...string) string {
	p.Helper()
	argv := append([]string{"tmux", "-u", "-S", p.socket}, args...)
	return invocation{argv: argv, quiet: true}.run(p.T).ok(p.T)
}

func (p *pane) resize(width int) { p.tmux("resize-window", "-x", fmt.Sprint(width)) }

// figures are what differs from run to run in a picture.
var figures = []struct {
	form *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`\[=* *\]`), "[==  ]"},
	{regexp.MustCompile(`\d+%`), "N%"},
	{regexp.MustCompile(`\d/(\d blobs|\d)`), "N/$1"},
	{regexp.MustCompile(`\d of (\d blobs)`), "N of $1"},
	{regexp.MustCompile(`[\d.]+( [kM]?B)? of ([\d.]+ MB)`), "N of $2"},
	{regexp.MustCompile(`[\d.]+ [kM]?B/s`), "N B/s"},
	{regexp.MustCompile(`\d+m?\d*s left`), "Ns left"},
	{regexp.MustCompile(`team/app:[12]`), "team/app:N"},
	{regexp.MustCompile(`@sha256:[0-9a-f]+`), "@DIGEST"},
	{regexp.MustCompile(`transferred in [0-9.]+m?s`), "transferred in Ns"},
}

// screen is what is seen, with each line's figures replaced. The rows say how many cells are in use.
func (p *pane) screen() (rows []string) {
	p.Helper()
	for line := range strings.Lines(p.tmux("capture-pane", "-p")) {
		rows = append(rows, strings.TrimRight(line, "\n "))
	}
	for len(rows) > 0 && rows[len(rows)-1] == "" {
		rows = rows[:len(rows)-1]
	}
	return rows
}

// until waits for a screen whose last line has a form, and returns the screen.
func (p *pane) until(form string) []string {
	p.Helper()
	want := regexp.MustCompile(form)
	var rows []string
	for range 300 {
		if rows = p.screen(); len(rows) > 0 && want.MatchString(rows[len(rows)-1]) {
			return rows
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.Fatalf("the last line does not become %s:\n%s", form, strings.Join(rows, "\n"))
	return nil
}

// picture is a screen as a text that is the same in each run.
func picture(title string, rows []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "== %s\n", title)
	for _, row := range rows {
		if regexp.MustCompile(`^\d+$`).MatchString(row) {
			continue // of what was there before
		}
		for _, f := range figures {
			row = f.form.ReplaceAllString(row, f.with)
		}
		fmt.Fprintf(&b, "%s|\n", row)
	}
	return b.String()
}

// keep compares pictures with those in testdata/terminal. After a change:
// go test ./interop -run Terminal -update
func keep(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata/terminal", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is\n%s\nand now there is\n%s", path, want, got)
	}
}

func tmuxDrayage(t *testing.T) string {
	t.Helper()
	require(t, "tmux")
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// The terminal is resized in the middle, to all widths, with one line of progress on it at each, and no trace
// of it at the end.
func TestTerminalProgressFitsAnyWidth(t *testing.T) {
	drayage, reg := tmuxDrayage(t), startSlow(t)
	p := newPane(t, 120, fmt.Sprintf("%s fetch %s/team/app:1 %s/team/app:2 -o im -j 2 --platform linux/amd64",
		drayage, reg.Addr(), reg.Addr()))
	pictures := ""
	for _, width := range []int{120, 80, 40, 30, 80, 120} {
		p.resize(width)
		time.Sleep(time.Second) // several lines are drawn
		pictures += picture(fmt.Sprintf("%d columns", width), p.until(`^fetch .* \d+s left`))
	}
	reg.hurry.Store(true)
	pictures += picture("the end", p.until("^ended with"))
	keep(t, "widths", pictures)
}

// Each width from the beginning, for each command that talks to a registry.
func TestTerminalProgressOfCommands(t *testing.T) {
	drayage := tmuxDrayage(t)
	for _, width := range []int{30, 40, 80, 120} {
		for verb, args := range map[string]string{
			"fetch": "fetch REG/team/app:1 -o new",
			"save":  "save REG/team/app:1 -o new.tar --format oci",
			"push":  "push DIR/im REG/new/ --limit-rate 300k",
			"copy":  "copy REG/team/app:1 OTHER/new/",
		} {
			t.Run(fmt.Sprint(verb, " ", width), func(t *testing.T) {
				t.Parallel()
				reg, to, dir := startSlow(t), faultreg.Start(fakeregistry.New(), false), scratch(t)
				t.Cleanup(to.Close)
				if verb == "push" {
					reg.hurry.Store(true)
					invocation{argv: []string{drayage, "fetch", "-q", reg.Addr() + "/team/app:1", "-o", dir + "/im"}}.
						run(t).ok(t) // a slow registry would not show: the kernel takes all that is sent
				}
				args := strings.NewReplacer("REG", reg.Addr(), "OTHER", to.Addr(), "DIR", dir).Replace(args)
				p := newPane(t, width, drayage+" "+args+" -j 2 --platform linux/amd64")
				during := picture("during", p.until("^"+verb+` .* \d+s left`))
				reg.hurry.Store(true)
				p.until("^ended with 0")
				keep(t, fmt.Sprint(verb, width), during)
			})
		}
	}
}

// Where the terminal cannot move its cursor, or everything is kept in a log, there are lines of text.
func TestTerminalWithoutABar(t *testing.T) {
	drayage := tmuxDrayage(t)
	for name, env := range map[string]string{"dumb": "TERM=dumb", "ci": "CI=true"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := startSlow(t)
			p := newPane(t, 120, fmt.Sprintf("%s %s fetch %s/team/app:1 -o im -j 2 --platform linux/amd64",
				env, drayage, reg.Addr()))
			p.until(`^fetch: .*team/app:1$`)
			reg.hurry.Store(true)
			keep(t, name, picture("the end", p.until("^ended with 0")))
		})
	}
}
