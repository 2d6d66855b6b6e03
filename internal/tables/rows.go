package tables

import (
	"bytes"
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"drayage/internal/terminal"
)

// Table writes rows whose columns line up. The first row has the most cells.
func (p *Printer) Table(rows [][]string) {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fill := max(len(rows[0])-len(r), 0) // a shorter row would end the alignment
		cells := make([]string, len(r))
		for i := range r {
			cells[i] = terminal.Line(r[i])
		}
		fmt.Fprintln(t, strings.Join(cells, "\t")+strings.Repeat("\t", fill))
	}
	t.Flush()
	var lines []string
	widest := 0
	for l := range strings.Lines(b.String()) {
		lines = append(lines, strings.TrimRight(l, " \n"))
		widest = max(widest, utf8.RuneCountInString(lines[len(lines)-1]))
	}
	if p.Width > 0 && widest > p.Width {
		lines = divided(rows)
	}
	for _, l := range lines {
		p.Line("%s", l)
	}
}

// divided are rows with the first cell on a line of its own.
func divided(rows [][]string) (lines []string) {
	for _, r := range rows {
		cells := make([]string, len(r))
		for i := range r {
			cells[i] = strings.TrimSpace(terminal.Line(r[i]))
		}
		lines = append(lines, cells[0], "  "+strings.Join(cells[1:], "  "))
	}
	return lines
}
