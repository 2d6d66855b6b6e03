package roundtrip

import (
	"os"
	"strings"
	"testing"

	"drayage/test/registry3"
	"drayage/test/sample"
)

// checkOneLine checks that a quiet failure says one line, and that it names what it is about.
func checkOneLine(t *testing.T, r result, mentions ...string) {
	t.Helper()
	if text := strings.TrimSuffix(r.stderr, "\n"); text == "" || strings.Contains(text, "\n") {
		t.Errorf("want an error of one line: %s", r)
	}
	if r.stdout != "" {
		t.Errorf("a failure prints on stdout: %s", r)
	}
	for _, m := range mentions {
		if !strings.Contains(r.stderr, m) {
			t.Errorf("the error does not mention %q: %s", m, r)
		}
	}
}

func TestNotFound(t *testing.T) {
	s := startSite(t, registry3.Options{})
	s.seed(t, "app", "1", sample.Options{})
	for _, ref := range []string{s.Addr() + "/app:absent", s.Addr() + "/nobody:1"} {
		c := newCLI(t)
		checkOneLine(t, c.fails(t, exitNotFound, "fetch", "-q", ref, "-o", "images"), ref)
		checkOneLine(t, c.fails(t, exitNotFound, "save", "-q", ref, "-o", "image.tar"), ref)
		if _, err := os.Stat(c.path("image.tar")); err == nil {
			t.Errorf("a failed save left a file")
		}
	}
}

func TestAbsentPlatformListsThosePresent(t *testing.T) {
	s := startSite(t, registry3.Options{})
	for _, flavour := range flavours {
		t.Run(flavour.String(), func(t *testing.T) {
			img := s.seed(t, "app", flavour.String(), sample.Options{Flavour: flavour})
			c := newCLI(t)
			r := c.fails(t, exitNotFound, "fetch", "-q", s.Addr()+"/app:"+flavour.String(), "-o", "images",
				"--platform", "linux/mips64le")
			present := []string{"linux/mips64le"}
			for _, p := range img.Platforms {
				present = append(present, sample.Name(p.Platform))
			}
			checkOneLine(t, r, present...)
		})
	}
}

func TestPartlyDone(t *testing.T) {
	s := startSite(t, registry3.Options{})
	good, bad := s.Addr()+"/app:1", s.Addr()+"/app:absent"
	want := host(t, s.seed(t, "app", "1", sample.Options{}))
	for _, order := range [][]string{{good, bad}, {bad, good}} {
		c := newCLI(t)
		r := c.fails(t, exitPartlyDone, append([]string{"fetch", "-o", "images"}, order...)...)
		if !strings.Contains(r.stderr, bad) {
			t.Errorf("it is not said which image failed: %s", r)
		}
		checkInLayout(t, c.path("images"), good, want)
		if n := len(readLayout(t, c.path("images"))); n != 1 {
			t.Errorf("the layout names %d images, want the good one", n)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{
		{"fetch"},
		{"fetch", "127.0.0.1:1/app:1"}, // no -o
		{"fetch", "127.0.0.1:1/App:1", "-o", "images"},
		{"fetch", "127.0.0.1:1/app:1", "-o", "images", "--no-such-flag"},
		{"save", "127.0.0.1:1/app:1", "-o", "x.tar", "--format", "zip"},
		{"push", "only-one-argument"},
		{"no-such-verb"},
	} {
		c := newCLI(t)
		if r := c.run(t, args...); r.code != exitUsage || r.stderr == "" {
			t.Errorf("want a usage error (2): %s", r)
		}
	}
}

// Several images cannot all become one name.
func TestPushOfManyToOneName(t *testing.T) {
	connected, private := startSite(t, registry3.Options{}), startSite(t, registry3.Options{})
	connected.seed(t, "a", "1", sample.Options{})
	connected.seed(t, "b", "1", sample.Options{Text: "another text\n"})
	c := newCLI(t)
	c.must(t, "fetch", connected.Addr()+"/a:1", connected.Addr()+"/b:1", "-o", "images")
	c.fails(t, exitUsage, "push", "images", private.Addr()+"/app:1")
	if got := private.Take(); got.Writes != 0 {
		t.Errorf("it uploaded before it refused: %+v", got)
	}
}

// Port 1 of loopback refuses connections.
func TestUnreachableRegistry(t *testing.T) {
	c := newCLI(t)
	checkOneLine(t, c.fails(t, exitNetwork, "fetch", "-q", "127.0.0.1:1/app:1", "-o", "images"), "127.0.0.1:1")
}
