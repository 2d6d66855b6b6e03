//go:build linux

package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestMain lets this test binary be the processes that Run starts of its program.
func TestMain(m *testing.M) {
	if hidden, err := Hidden(context.Background(), os.Args[1:]); hidden {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestRun measures drayage alone, with images of a hundredth of their size: what is under test is this
// package.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	drayage := filepath.Join(dir, "drayage")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", drayage, "./cmd/drayage")
	build.Dir = filepath.Join("..", "..") // a module of its own
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	report, err := Run(t.Context(), Config{Drayage: drayage, Work: filepath.Join(dir, "work"), Runs: 1, Scale: 1,
		Log: io.Discard,
		Only: regexp.MustCompile("^(fetch-loopback|registry-docker-tar|" +
			"push-docker-tar|push-again|late-hash-fetch|cross-twenty)$"),
		Tools: regexp.MustCompile("^$")})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Results) != 6 {
		t.Fatalf("%d results", len(report.Results))
	}
	for _, result := range report.Results {
		for _, row := range result.Rows {
			if !row.measured() {
				t.Errorf("%s: %s: %s", result.id, row.tool, row.Failed)
				continue
			}
			if row.wall() <= 0 || row.Output == 0 {
				t.Errorf("%s: %s: %v, %d bytes", result.id, row.tool, row.wall(), row.Output)
			}
		}
	}
	// Linux counts whole pages, and the page at the end of a tar may be a hole.
	if saved := report.row("registry-docker-tar", "drayage"); saved.Usages[0].Written < saved.Output*9/10 ||
		saved.peak() < 1<<20 {
		t.Errorf("the tar has %d bytes: %+v", saved.Output, saved.Usages[0])
	}
	if late := report.row("late-hash-fetch", "drayage"); late.most() != 1 {
		t.Errorf("one blob was asked for %d times", late.most())
	}
	first, again := report.row("push-docker-tar", "drayage"), report.row("push-again", "drayage")
	if first.Usages[0].Received < first.Output || again.Usages[0].Received >= first.Output {
		t.Errorf("received: %d at first, %d again, of %d", first.Usages[0].Received, again.Usages[0].Received,
			first.Output)
	}
	checkCrossing(t, report)
	if left, err := filepath.Glob(filepath.Join(dir, "work", "run-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	var text bytes.Buffer
	if _, err := report.WriteTo(&text); err != nil || strings.Contains(text.String(), dir) ||
		strings.Count(text.String(), "\n| drayage |") != 7 {
		t.Errorf("%v\n%s", err, &text)
	}
}

// checkCrossing fails if a quarter or more crosses of twenty images, when three of them were rebuilt.
func checkCrossing(t *testing.T, report *Report) {
	t.Helper()
	whole := report.row("cross-twenty", "drayage whole")
	for _, tool := range []string{"drayage", "drayage --since last.tar", "drayage --since REPOSITORY"} {
		if thin := report.row("cross-twenty", tool); thin.Output == 0 || thin.Output > whole.Output/4 {
			t.Errorf("%s carries %d bytes, and all of it has %d", tool, thin.Output, whole.Output)
		}
	}
	for _, result := range report.Results {
		if result.id == "cross-twenty" {
			if v := result.targets[0].judge(report, result); !v.known || !v.met {
				t.Errorf("%s: %s", v.text, v.reached)
			}
		}
	}
	if _, err := report.WithCrossing(crossingBegins + crossingEnds); err == nil {
		t.Error("a table was made of one update of five")
	}
}

// smallSet is the images with forty layers, made in a directory of the test's own.
func smallSet(t *testing.T) (*env, *dataset) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	e := &env{Config: Config{Work: dir, Scale: 1, Log: io.Discard}, self: self, dir: dir,
		sets: map[string]*dataset{}}
	d, err := e.set(t.Context(), "forty")
	if err != nil {
		t.Fatal(err)
	}
	return e, d
}

func flip(t *testing.T, file string, at int64) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

// TestChecks: what is right passes, and one wrong bit does not.
func TestChecks(t *testing.T) {
	e, d := smallSet(t)
	img := d.Images[0]
	docker, err := d.dockerTar(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	oci, err := d.ociTar(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.serve(t.Context(), "registry", d.storage(), "0s")
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	wrong := img
	wrong.DiffIDs = append(img.DiffIDs[1:len(img.DiffIDs):len(img.DiffIDs)], img.DiffIDs[0])
	for name, check := range map[string]func(bad bool) error{
		"layout": func(bad bool) error {
			if bad {
				flip(t, d.blob(img.Layers[7].Digest.Encoded()), 100)
				defer flip(t, d.blob(img.Layers[7].Digest.Encoded()), 100)
			}
			_, err := checkLayout(d.layout(), d.Images)
			return err
		},
		"docker tar": func(bad bool) error {
			return onTar(t, docker, bad, func() error { _, err := checkTar(docker, img, true); return err })
		},
		"oci tar": func(bad bool) error {
			return onTar(t, oci, bad, func() error { _, err := checkTar(oci, img, false); return err })
		},
		"layout tar": func(bad bool) error {
			return onTar(t, oci, bad, func() error { _, err := checkLayoutTar(oci, img); return err })
		},
		"registry": func(bad bool) error {
			want := img
			if bad {
				want = wrong
			}
			_, err := checkPushed(t.Context(), s, img.Name, want, true)
			return err
		},
	} {
		if err := check(false); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := check(true); err == nil {
			t.Errorf("%s: a wrong bit was not noticed", name)
		}
	}
}

// onTar runs a check, with a bit flipped near the end if bad, where the last layer is.
func onTar(t *testing.T, file string, bad bool, check func() error) error {
	t.Helper()
	if bad {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		at := info.Size() - 3000
		flip(t, file, at)
		defer flip(t, file, at)
	}
	return check()
}

func TestMiddleAndVerdicts(t *testing.T) {
	row := func(tool string, limit bool, output int64, walls ...int) *Row {
		r := &Row{contender: contender{tool: tool, limit: limit}, Output: output}
		for _, w := range walls {
			r.Usages = append(r.Usages, Usage{Wall: time.Duration(w) * time.Second, Peak: int64(w) << 20})
		}
		return r
	}
	result := &Result{Rows: []*Row{row("drayage", false, 103, 9, 1, 2), row("skopeo", false, 100, 6, 4),
		row("crane", false, 90, 30), row("limit: x", true, 1, 1)}}
	if w := result.row("drayage").wall(); w != 2*time.Second {
		t.Errorf("the median is %v", w)
	}
	for _, c := range []struct {
		target  target
		reached string
		met     bool
	}{
		{fasterThanPeers(2.5), "2.50x skopeo", true},
		{fasterThanPeers(2.6), "2.50x skopeo", false},
		{fasterThan("crane", "drayage", 15), "15.00x crane", true},
		{withinLimit(1.9), "2.00x", false},
		{notLarger("drayage", 1.04), "103.0%", true},
		{notLarger("drayage", 1.02), "103.0%", false},
		{memoryBelow(9), "9 MiB", false},
		{memoryBelow(10), "9 MiB", true},
	} {
		v := c.target.judge(&Report{Results: []*Result{result}}, result)
		if v.reached != c.reached || v.met != c.met || !v.known {
			t.Errorf("%s: %+v", c.target.text, v)
		}
	}
	if v := fasterThan("oras", "drayage", 1).judge(&Report{}, result); v.known || v.met {
		t.Errorf("a tool that is not there: %+v", v)
	}
}
