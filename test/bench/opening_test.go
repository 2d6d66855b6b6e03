//go:build linux

package bench

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drayage/test/chart"
)

var update = flag.Bool("update", false, "write the opening of docs/benchmarks.md and its pictures")

// The opening of the page and its pictures are what the tables of the page make of them.
func TestOpeningIsCurrent(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "benchmarks.md")
	drawings := filepath.Join("..", "..", "docs", "pictures")
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, pictures, err := withOpening(string(page))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := chart.Save(drawings, pictures); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(page) {
		t.Error("the opening of docs/benchmarks.md is not what its tables say: run this test with -update")
	}
	if names := chart.Differ(drawings, pictures); len(names) > 0 {
		t.Errorf("%q are not what docs/benchmarks.md says: run this test with -update", names)
	}
	if len(pictures) != 4 {
		t.Errorf("%d pictures", len(pictures))
	}
}

const table = `# Benchmarks

` + openingBegins + "old\n" + openingEnds + `
## Targets

| work | target | measured | |
|---|---|---|---|
| a | x | y | reached |
| b | at most 1 | 2 | MISSED |

## Title

` + "`ID`, 266 MB" + `

| tool | wall | from - to | x | of it sync | CPU | x | peak memory | written |
|---|---|---|---|---|---|---|---|---|
| drayage | 2.00 s | 1.00 - 3.00 | 1.00 | 0.00 s | 0.48 s | 1.00 | 14 MiB | 267 MB |
| drayage --other | 1.00 s | 1.00 - 3.00 | 1.00 | 0.00 s | 0.48 s | 1.00 | 14 MiB | 267 MB |
| slow | 10.00 s | 0.53 - 0.70 | 1.41 | 0.18 s | 0.53 s | 1.11 | 12 MiB | 266 MB |
| near | 3.00 s | 0.53 - 0.70 | 1.41 | 0.18 s | 0.53 s | 1.11 | 90 MiB | 266 MB |
| absent | - | | | | | | | not here |
| limit: curl | 0.57 s | 0.54 - 0.77 | 1.29 | 0.23 s | 0.31 s | 0.64 | 11 MiB | 266 MB |
`

// tables is a page with one table for every job that the opening tells of.
func tables() string {
	page, one, _ := strings.Cut(table, "## Title\n")
	for _, j := range append(mainJobs[1:], memoryJobs...) {
		page += "## Title\n" + strings.Replace(one, "`ID`", "`"+j.id+"`", 1) + "\n"
	}
	return page
}

func TestOpeningTellsTheFigures(t *testing.T) {
	page := tables()
	got, pictures, err := withOpening(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"drayage took 2.00 s. The next tool, near, took 3.00 s: 1.5 times as long.", "between 14 and 14 MiB",
		"2 targets were set before the run. It reached 1, and missed: - b: at most 1, measured 2",
	} {
		if !strings.Contains(strings.Join(strings.Fields(got), " "), want) {
			t.Errorf("the opening lacks %q", want)
		}
	}
	text, _, _ := strings.Cut(got, openingEnds)
	text += string(pictures["seconds-light.svg"]) + string(pictures["memory-dark.svg"])
	for _, want := range []string{"drayage 2.00 s, near 3.00 s, slow 10.00 s.", "slow 12 MiB, near 90 MiB."} {
		if !strings.Contains(text, want) {
			t.Errorf("the pictures lack %q", want)
		}
	}
	for _, not := range []string{"old", "absent", "drayage --other", "limit"} {
		if strings.Contains(text, not) {
			t.Errorf("the opening has %q", not)
		}
	}
	if again, _, err := withOpening(got); err != nil || again != got {
		t.Errorf("the opening of the same page is another one: %v", err)
	}
	slower, other, err := withOpening(strings.ReplaceAll(page, "| drayage | 2.00 s", "| drayage | 4.00 s"))
	if err != nil || !strings.Contains(slower, "near was faster than drayage: it took 3.00 s,") {
		t.Errorf("where another tool is faster: %v\n%s", err, slower)
	}
	if string(other["seconds-light.svg"]) == string(pictures["seconds-light.svg"]) {
		t.Error("other figures make the same picture")
	}
	if _, _, err := withOpening(strings.ReplaceAll(page, "`fetch-20MBs`", "`other`")); err == nil {
		t.Error("a page without a table of the main jobs was taken")
	}
	if t.Failed() {
		t.Log(got)
	}
}
