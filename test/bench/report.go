//go:build linux

package bench

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Report is what a run has measured.
type Report struct {
	Date    time.Time
	Machine Machine
	Config  Config
	Results []*Result
	tools   toolbox
}

// Result is one scenario.
type Result struct {
	scenario
	LeftOut string // why nothing was measured
	Rows    []*Row
}

// Row is one contender of it.
type Row struct {
	contender
	Failed string // why there are no figures
	Usages []Usage
	Output int64
	images int
}

func (r *Report) row(scenario, tool string) *Row {
	for _, result := range r.Results {
		if result.id == scenario {
			return result.row(tool)
		}
	}
	return nil
}

func (r *Result) row(tool string) *Row {
	for _, row := range r.Rows {
		if row.tool == tool {
			return row
		}
	}
	return nil
}

// best is the fastest row that was measured and that is wanted.
func (r *Result) best(wanted func(*Row) bool) (best *Row) {
	for _, row := range r.Rows {
		if row.measured() && wanted(row) && (best == nil || row.wall() < best.wall()) {
			best = row
		}
	}
	return best
}

func (r *Result) bestPeer() *Row {
	return r.best(func(row *Row) bool { return !row.limit && !row.isDrayage() })
}

// patience is how long a run may take that is repeated.
const patience = 10 * time.Second

// tooSlow reports whether one run has been enough.
func (r *Row) tooSlow() bool { return len(r.Usages) > 0 && r.Usages[0].Wall > patience }

func (r *Row) measured() bool { return r.Failed == "" && len(r.Usages) > 0 }

// middle is the median.
func (r *Row) middle(of func(Usage) int64) int64 {
	values := make([]int64, 0, len(r.Usages))
	for _, u := range r.Usages {
		values = append(values, of(u))
	}
	slices.Sort(values)
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}

func (r *Row) wall() time.Duration {
	return time.Duration(r.middle(func(u Usage) int64 { return int64(u.Wall) }))
}

func (r *Row) cpu() time.Duration {
	return time.Duration(r.middle(func(u Usage) int64 { return int64(u.CPU) }))
}

// spread is the shortest and the longest time.
func (r *Row) spread() (least, most time.Duration) {
	for i, u := range r.Usages {
		if i == 0 || u.Wall < least {
			least = u.Wall
		}
		most = max(most, u.Wall)
	}
	return least, most
}

// peak is the largest, not the middle.
func (r *Row) peak() (most int64) {
	for _, u := range r.Usages {
		most = max(most, u.Peak)
	}
	return most
}

// most is the largest number of GETs of one blob.
func (r *Row) most() (most int) {
	for _, u := range r.Usages {
		most = max(most, u.Gets)
	}
	return most
}

// gets is most as text.
func (r *Row) gets() string {
	if n := r.most(); n > 0 {
		return strconv.Itoa(n)
	}
	return "-"
}

// oneLine keeps an error readable in a table.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, "|", "/")), " ")
	if len(text) > 200 {
		text = text[:200] + "..."
	}
	return text
}
