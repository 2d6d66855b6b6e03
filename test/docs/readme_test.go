package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// measured are the sections of docs/benchmarks.md that the rows of speed in README.md come from.
var measured = map[string]string{
	"registry to directory":                     "`fetch-loopback`",
	"the same, where a connection gets 20 MB/s": "`fetch-20MBs`",
	"twenty images that share a base":           "`fetch-20-images`",
	"registry to docker tar":                    "`registry-docker-tar`",
	"docker tar to registry":                    "`push-docker-tar`",
}

// TestReadmeHasMeasuredSpeed compares the rows of speed in README.md with the run in docs/benchmarks.md.
func TestReadmeHasMeasuredSpeed(t *testing.T) {
	readme, benchmarks := text(t, "README.md"), text(t, "docs/benchmarks.md")
	_, table, _ := strings.Cut(readme, "One run of `make bench`")
	_, table, _ = strings.Cut(table, "\n\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var tools []string
	found := 0
	for line := range strings.Lines(table) {
		cells := cellsOf(line)
		section, ok := measured[cells[0]]
		if !ok {
			tools = append(tools, cells...)
			continue
		}
		found++
		_, rows, ok := strings.Cut(benchmarks, "\n"+section+"\n")
		if !ok {
			t.Fatalf("docs/benchmarks.md has no section %s", section)
		}
		rows, _, _ = strings.Cut(rows, "\n## ")
		for i, seconds := range cells[1:] {
			if want := wall(rows, tools[i+1]); seconds != want {
				t.Errorf("%s, %s: README.md says %s, docs/benchmarks.md %s", cells[0], tools[i+1], seconds, want)
			}
		}
	}
	if found != len(measured) {
		t.Errorf("README.md has %d rows of speed, not %d:\n%s", found, len(measured), table)
	}
}

// compared are the rows of docs/comparison.md that rows of README.md repeat.
var compared = map[string]string{
	"no daemon": "1 no daemon",
	"goes on in the middle of a layer after a kill": "3 goes on in the middle of a layer after a kill",
	"several connections for one large layer":       "4 several connections for one large layer",
	"several images in one tar for `docker load`":   "7 several images in one tar for `docker load`",
	"the digest stays from a tar to a registry":     "8 the digest stays from a tar to a registry",
	"pushes all images of a docker tar at once":     "9 pushes all images of a docker tar at once",
	"takes signatures and SBOMs along":              "11 takes signatures and SBOMs along (referrers)",
	"checks all that was carried, offline":          "14 checks all that was carried, offline",
	"exit codes tell the kind of failure":           "16 exit codes tell the kind of failure",
	"leaves out of a tar what the other side has":   "29 leaves out of a tar what the other side has",
	"sends changed layers as patches, digests stay": "32 sends a changed layer as a patch, and its digest stays",
	"gives the image of a docker tar its digest back": "33 gives an image of a docker tar the digest back " +
		"that its registry has",
	"checks signatures of images against keys":    "18 checks signatures of images against keys",
	"cuts what it carries into volumes":           "21 cuts what it carries into volumes",
	"names the volume that is damaged or missing": "35 names the volume that is damaged, missing or swapped",
	"makes lost volumes again from parity":        "36 makes lost volumes again from parity",
	"signs what it carries as a whole": "37 signs what it carries, and reads nothing " +
		"before the signature holds",
}

// TestComparisonsAgree compares the table of other tools in README.md with that in docs/comparison.md.
func TestComparisonsAgree(t *testing.T) {
	rows := func(name string) map[string]string {
		all := map[string]string{}
		for line := range strings.Lines(text(t, name)) {
			if cells := cellsOf(line); len(cells) == 8 {
				all[cells[0]] = strings.Join(cells[1:], " ")
			}
		}
		return all
	}
	short, long := rows("README.md"), rows("docs/comparison.md")
	for here, there := range compared {
		if short[here] != long[there] || short[here] == "" {
			t.Errorf("%q is %q in README.md, %q in docs/comparison.md", here, short[here], long[there])
		}
	}
	if short[""] != long[""] { // the names of the tools
		t.Errorf("the tools are %q in README.md, %q in docs/comparison.md", short[""], long[""])
	}
}

// wall is the time of a tool in a table of docs/benchmarks.md, or "-".
func wall(table, tool string) string {
	for line := range strings.Lines(table) {
		if cells := cellsOf(line); cells[0] == tool || strings.HasPrefix(cells[0], tool+" load") {
			return strings.TrimSuffix(cells[1], " s")
		}
	}
	return "-"
}

// cellsOf takes a row of a table apart. A line that is none has one empty cell.
func cellsOf(line string) (cells []string) {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "|") {
		return []string{""}
	}
	for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
		cells = append(cells, strings.TrimSpace(cell))
	}
	return cells
}

func text(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
