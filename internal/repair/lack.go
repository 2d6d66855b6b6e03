package repair

import (
	"fmt"
	"slices"
	"strings"

	"drayage/internal/terminal"
	"drayage/internal/verify"
	"drayage/internal/volume"
)

// Lack is the error about a set with more bad blocks than its parity volumes make up for. It matches
// [ErrTooMuch].
type Lack struct {
	Bad    []int // the volumes that are bad or missing where there are too many of them
	Needed []int // data volumes that would do if they were good, as few as possible
	Parity int   // how many parity volumes the set has

	names []string
}

// lack finds out whether a row has more bad blocks than there are parity volumes.
func lack(set *volume.Set, rows [][]int) *Lack {
	l := &Lack{Parity: len(set.Parity)}
	var over [][]int
	for _, row := range rows {
		if len(row) > l.Parity {
			over = append(over, slices.Clone(row))
			l.Bad = append(l.Bad, row...)
		}
	}
	if len(over) == 0 {
		return nil
	}
	slices.Sort(l.Bad)
	l.Bad = slices.Compact(l.Bad)
	for len(over) > 0 {
		l.Needed = append(l.Needed, helpsMost(set, over))
		over = without(over, l.Needed[len(l.Needed)-1], l.Parity)
	}
	slices.Sort(l.Needed)
	for _, i := range l.Bad {
		l.names = append(l.names, set.FileName(i))
	}
	return l
}

// helpsMost is the data volume that is bad in the most rows.
func helpsMost(set *volume.Set, rows [][]int) int {
	count := make([]int, len(set.Volumes))
	for _, row := range rows {
		for _, i := range row {
			if !set.IsParity(i) {
				count[i]++
			}
		}
	}
	return slices.Index(count, slices.Max(count))
}

// without returns the rows that still have too many bad blocks when one volume is good.
func without(rows [][]int, good, parity int) (left [][]int) {
	for _, row := range rows {
		row = slices.DeleteFunc(row, func(i int) bool { return i == good })
		if len(row) > parity {
			left = append(left, row)
		}
	}
	return left
}

// Error implements error.
func (l *Lack) Error() string {
	verb := "are"
	if len(l.names) == 1 {
		verb = "is"
	}
	text := fmt.Sprintf("%s %s bad or missing", list(l.names), verb)
	if l.Parity == 0 {
		return text + ", and the set has no parity volumes"
	}
	return fmt.Sprintf("%s at the same place, and %s up for %d: %s needed", text,
		terminal.Count(l.Parity, "parity volume")+makes(l.Parity), l.Parity, oneMore(len(l.Needed)))
}

// list names the first few.
func list(names []string) string {
	if len(names) > 20 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:20], ", "), len(names)-20)
	}
	if n := len(names) - 1; n > 0 {
		return strings.Join(names[:n], ", ") + " and " + names[n]
	}
	return names[0]
}

func makes(n int) string {
	if n == 1 {
		return " makes"
	}
	return " make"
}

func oneMore(n int) string {
	if n == 1 {
		return "1 more good volume is"
	}
	return fmt.Sprintf("%d more good volumes are", n)
}

// Unwrap lets the error match.
func (l *Lack) Unwrap() []error { return []error{ErrTooMuch, verify.ErrMismatch} }
