package progress

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drayage/internal/tally"
)

var update = flag.Bool("update", false, "write the status lines into testdata")

// views are moments in the life of a command.
var views = []struct {
	name string
	View
}{
	{"under way", View{Verb: "fetch", Rate: 12e6, Left: 11 * time.Second, Sum: tally.Sum{Total: 120e6,
		Held: 45.2e6, Ready: 6, Blobs: 13, Image: "docker.io/library/alpine:3.20", Images: 3}}},
	{"begun", View{Verb: "fetch", Sum: tally.Sum{Total: 120e6, Held: 30e6, Present: 30e6, Blobs: 13}}},
	{"waiting", View{Verb: "push", Stuck: 75 * time.Second, Sum: tally.Sum{Total: 13.1e6, Ready: 0, Blobs: 4,
		Image: "registry.corp:5000/mirror/ghcr.io/some-team/some-application:1.2.3-rc4", Images: 1}}},
	{"computing", View{Verb: "patch", Stuck: 5 * time.Second, Sum: tally.Sum{Total: 13.1e6, Blobs: 4}}},
	{"finishing", View{Verb: "save", Sum: tally.Sum{Total: 9e9, Held: 9e9, Ready: 130, Blobs: 130, Images: 0}}},
	{"long", View{Verb: "verify", Rate: 999.9e3, Left: 30 * time.Hour, Sum: tally.Sum{Total: 123.4e9,
		Held: 567.8e6, Ready: 12345, Blobs: 67890, Image: "registry.corp/日本語/アプリ:最新", Images: 2000}}},
	{"digest", View{Verb: "fetch", Rate: 500, Left: time.Second, Sum: tally.Sum{Total: 2000, Held: 999, Blobs: 1,
		Image: "ghcr.io/team/app@sha256:" + strings.Repeat("0123456789abcdef", 4), Images: 1}}},
	{"nothing known", View{Verb: "fetch", Stuck: 4 * time.Second}},
}

// TestLines keeps the lines of some widths as they are in testdata/lines.txt, and looks at all other widths.
// After a change: go test ./internal/progress -run TestLines -update
func TestLines(t *testing.T) {
	var b strings.Builder
	for _, v := range views {
		fmt.Fprintf(&b, "%s\n", v.name)
		for width := 250; width >= 0; width-- {
			line := v.Line(width)
			if n := Cells(line); n > width {
				t.Errorf("%s: %d cells in %d: %s", v.name, n, width, line)
			}
			if width >= 30 && !strings.HasPrefix(line, v.Verb) {
				t.Errorf("%s: %d cells: %q", v.name, width, line)
			}
			switch width {
			case 200, 120, 100, 80, 60, 40, 30, 20, 10, 4, 3:
				fmt.Fprintf(&b, "%5d |%s\n", width, line)
			}
		}
		fmt.Fprintf(&b, "plain |%s\n", v.Text())
	}
	const path = "testdata/lines.txt"
	if *update {
		if err := os.MkdirAll("testdata", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (-kept +now; -update keeps what is now):\n%s", path, diff)
	}
}

func TestDurationsAreNeverZero(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "1s", time.Millisecond: "1s", 59400 * time.Millisecond: "59s", time.Minute: "1m00s",
		3599 * time.Second: "59m59s", time.Hour: "1h00m", 99*time.Hour + 59*time.Minute: "99h59m",
		maxLeft: "99d",
	} {
		if got := duration(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}
