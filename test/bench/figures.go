//go:build linux

package bench

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// figure is a row of a table on the page.
type figure struct {
	tool    string
	seconds float64
	wall    string // seconds, as the page has them
	peak    int    // MiB
}

func (f figure) own() bool { return f.tool == "drayage" }

// peer reports whether the row belongs to another tool, and not to a limit or to drayage with other flags.
func (f figure) peer() bool {
	return !strings.HasPrefix(f.tool, "limit:") && !strings.HasPrefix(f.tool, "drayage")
}

var identifier = regexp.MustCompile("^`([a-zA-Z0-9-]+)`")

// readFigures reads the tables of a report, by the identifier of their scenario. If a scenario stands on the
// page twice, the first one counts: the pictures show one run.
func readFigures(page string) map[string][]figure {
	all, id, columns := map[string][]figure{}, "", map[string]int(nil)
	for line := range strings.Lines(page) {
		if m := identifier.FindStringSubmatch(line); m != nil {
			id, columns = m[1], nil
			if all[id] != nil {
				id = ""
			}
		}
		if id == "" || !strings.HasPrefix(line, "| ") {
			continue
		}
		cells := split(line)
		if columns == nil {
			columns = map[string]int{}
			for i, name := range cells {
				if _, twice := columns[name]; !twice {
					columns[name] = i
				}
			}
			continue
		}
		if f, ok := readFigure(cells, columns); ok {
			all[id] = append(all[id], f)
		}
	}
	return all
}

// readFigure leaves out rows without figures, of tools that are not there or do not do that work.
func readFigure(cells []string, columns map[string]int) (f figure, ok bool) {
	wall, memory := columns["wall"], columns["peak memory"]
	if wall == 0 || memory == 0 || len(cells) <= memory {
		return f, false
	}
	seconds, err := strconv.ParseFloat(strings.TrimSuffix(cells[wall], " s"), 64)
	if err != nil {
		return f, false
	}
	peak, err := strconv.Atoi(strings.TrimSuffix(cells[memory], " MiB"))
	return figure{cells[0], seconds, cells[wall], peak}, err == nil
}

// split is the cells of a row.
func split(line string) []string {
	cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}

// compared is drayage and the other tools, drayage first and then by the figure.
func compared(all []figure, of func(figure) float64) (some []figure) {
	for _, f := range all {
		if f.own() || f.peer() {
			some = append(some, f)
		}
	}
	slices.SortStableFunc(some, func(a, b figure) int {
		if a.own() != b.own() {
			return map[bool]int{true: -1, false: 1}[a.own()]
		}
		return cmp.Compare(of(a), of(b))
	})
	return some
}

// missed lists the targets of the first table of targets that were not reached, and counts all of them.
func missed(page string) (texts []string, of int) {
	_, table, _ := strings.Cut(page, "\n## Targets\n")
	table, _, _ = strings.Cut(table, "\n## ")
	for line := range strings.Lines(table) {
		cells := split(line)
		if len(cells) != 4 || cells[3] != "reached" && cells[3] != "MISSED" {
			continue
		}
		of++
		if cells[3] == "MISSED" {
			texts = append(texts, cells[0]+": "+cells[1]+", measured "+cells[2])
		}
	}
	return texts, of
}
