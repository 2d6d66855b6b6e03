package handbook

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"drayage/internal/guide"
)

// between stands between the columns of a table.
const between = "  "

// ruler is the line below the heads of a table.
var ruler = regexp.MustCompile(`^\|[-:| ]+\|$`)

// table writes a table: in columns if that fits a terminal, with the last column filled, else row by row.
func (r *renderer) table(lines []string) string {
	var rows [][]string
	for _, l := range lines {
		if !ruler.MatchString(l) {
			rows = append(rows, r.cells(l))
		}
	}
	widths := columns(rows)
	left := guide.Columns
	for _, w := range widths[:len(widths)-1] {
		left -= w + len(between)
	}
	if last := widths[len(widths)-1]; left < min(last, guide.Columns/3) || left < longest(rows) {
		return records(rows)
	}
	var b strings.Builder
	for i, row := range rows {
		head := ""
		for k, cell := range row[:len(row)-1] {
			head += cell + strings.Repeat(" ", widths[k]-utf8.RuneCountInString(cell)) + between
		}
		b.WriteString(strings.TrimRight(guide.Hang(head, row[len(row)-1], guide.Columns-left), " ") + "\n")
		if i == 0 {
			rule := ""
			for k, w := range widths {
				if k == len(widths)-1 {
					w = min(w, left)
				}
				rule += strings.Repeat("-", w) + between
			}
			b.WriteString(strings.TrimRight(rule, " ") + "\n")
		}
	}
	return b.String()
}

// longest is the length of the longest word in the last column, which cannot be broken.
func longest(rows [][]string) (n int) {
	for _, row := range rows {
		for _, word := range strings.Fields(row[len(row)-1]) {
			n = max(n, utf8.RuneCountInString(word))
		}
	}
	return n
}

// cells are the fields of a line. A | in one has a backslash before it.
func (r *renderer) cells(line string) (cells []string) {
	line = strings.ReplaceAll(strings.Trim(line, "|"), `\|`, "\x00")
	for _, c := range strings.Split(line, "|") {
		cells = append(cells, r.inline(strings.ReplaceAll(strings.TrimSpace(c), "\x00", "|")))
	}
	return cells
}

// columns are the widths of columns. Each row has as many as the first then.
func columns(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for i, row := range rows {
		for len(row) < len(widths) {
			row = append(row, "")
		}
		rows[i] = row[:len(widths)]
		for k, cell := range rows[i] {
			widths[k] = max(widths[k], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// records writes each row by itself: its first cell, and below it the others behind the heads of their
// columns.
func records(rows [][]string) string {
	var b strings.Builder
	heads := rows[0]
	for _, row := range rows[1:] {
		b.WriteString(guide.Hang("", row[0], 2) + "\n")
		for k, cell := range row[1:] {
			head := "  "
			if len(row) > 2 && heads[k+1] != "" {
				head += heads[k+1] + ": "
			}
			if cell != "" {
				b.WriteString(guide.Hang(head, cell, len("    ")) + "\n")
			}
		}
	}
	return b.String()
}
