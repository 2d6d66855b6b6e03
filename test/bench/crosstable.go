//go:build linux

package bench

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The table of the page about what crosses stands between these two lines.
const (
	crossingBegins = "<!-- table: made by make crossing -->\n"
	crossingEnds   = "<!-- end of table -->\n"
)

// WithCrossing puts what this run has found to cross in the place of an earlier run, on a page.
func (r *Report) WithCrossing(page string) (string, error) {
	before, rest, begins := strings.Cut(page, crossingBegins)
	_, after, ends := strings.Cut(rest, crossingEnds)
	if !begins || !ends {
		return "", errors.New("the page has no place for the table")
	}
	table, err := r.crossing()
	return before + crossingBegins + table + crossingEnds + after, err
}

// crossing is a table of bytes: a row for each tool, a column for each update.
func (r *Report) crossing() (string, error) {
	var columns []*Result
	for _, p := range updates {
		for _, result := range r.Results {
			if result.id == "cross-"+p.id && result.LeftOut == "" {
				columns = append(columns, result)
			}
		}
	}
	if len(columns) != len(updates) {
		return "", fmt.Errorf("%d of %d updates were measured", len(columns), len(updates))
	}
	var b strings.Builder
	b.WriteString("\n" + fill(fmt.Sprintf("Made by `make crossing` on %s, with %s: %s.",
		r.Date.Format(time.DateOnly), r.versions(), r.Machine), "") + "\n\n")
	b.WriteString("| what is carried | A | B | C | D | E |\n|---|---|---|---|---|---|\n")
	for i, row := range columns[0].Rows {
		cells := make([]string, len(columns))
		for k, column := range columns {
			if cells[k] = "-"; i < len(column.Rows) && column.Rows[i].measured() {
				cells[k] = carried(column.Rows[i].Output)
			}
		}
		if row.measured() {
			fmt.Fprintf(&b, "| %s | %s |\n", row.tool, strings.Join(cells, " | "))
		}
	}
	b.WriteString("\n" + r.leftOut(columns[0]))
	return b.String(), nil
}

// leftOut names the tools that are not in the table, with the reasons.
func (r *Report) leftOut(column *Result) string {
	var reasons []string
	for _, row := range column.Rows {
		if !row.measured() {
			reasons = append(reasons, fmt.Sprintf("%s (%s)", row.tool, row.Failed))
		}
	}
	if len(reasons) == 0 {
		return ""
	}
	return fill("Not measured: "+strings.Join(reasons, ", ")+".", "") + "\n\n"
}

func (r *Report) versions() string {
	var all []string
	for _, t := range r.tools {
		switch t.name {
		case "drayage", "curl", "nginx", "docker-registry", "skopeo-new":
			continue
		}
		if t.path != "" {
			all = append(all, t.name+" "+t.version)
		}
	}
	return strings.Join(all, ", ")
}

func carried(n int64) string {
	switch {
	case n < 1000*1000:
		return fmt.Sprintf("%d KB", (n+500)/1000)
	case n < 10*megabyte:
		return fmt.Sprintf("%.1f MB", float64(n)/megabyte)
	}
	return fmt.Sprintf("%.0f MB", float64(n)/megabyte)
}
