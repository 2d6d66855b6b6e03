package forecast

import (
	"cmp"
	"fmt"
	"time"

	"drayage/internal/terminal"
)

// Summary is what is told below a table.
type Summary struct {
	*Table
	Disks []Disk
	Rate  int64 // bytes per second that the network is limited to; 0: it is not
}

// The widths of tables. In a narrow terminal names and platforms stand on lines of their own.
const (
	tableWidth = 80
	narrow     = 70
	sizes      = "  %8s  %8s  %8s  %8s"
	narrowSize = " %8s %8s %8s %8s"
)

// Lines shows the table and what is below it in so many columns; 0 means as many as usual.
func (s *Summary) Lines(width int) []string {
	w := writer{width: cmp.Or(width, tableWidth)}
	w.table(s.Images)
	w.line("")
	w.line("sum: %s in %s", terminal.Size(s.Sum.Total), terminal.Count(s.Blobs, "blob"))
	w.line("already there: %s", terminal.Size(s.Sum.There))
	if s.Sum.LeftOut > 0 {
		w.line("missing: %s in %s left out", terminal.Size(s.Sum.LeftOut),
			terminal.Count(len(s.Lacking), "blob"))
	}
	switch plain := s.Sum.PlainLayers; {
	case plain > 0:
		w.line("to move: %s, and", terminal.Size(s.Sum.Move))
		w.line("  %s, %s before compression", terminal.Count(plain, "layer"), terminal.Size(s.Sum.Plain))
	default:
		w.line("to move: %s", terminal.Size(s.Sum.Move))
	}
	for _, d := range s.Disks {
		w.disk(d)
	}
	if s.Rate > 0 {
		bound := ""
		if s.Sum.PlainLayers > 0 {
			bound = "less than "
		}
		most := seconds(s.Sum.Move+s.Sum.Plain, s.Rate)
		w.line("time: %s%s at %s/s", bound, spoken(most), terminal.Size(s.Rate))
	}
	return w.lines
}

// spoken is a duration in seconds, or in minutes and more if it is long.
func spoken(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

type writer struct {
	lines        []string
	width        int
	names, label int // columns
}

func (w *writer) line(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

func (w *writer) disk(d Disk) {
	needed := terminal.Size(d.Needed)
	if d.Bound != "" {
		needed = d.Bound + " " + needed
	}
	volumes := ""
	if d.Volumes > 0 {
		volumes = " in " + terminal.Count(d.Volumes, "volume")
	}
	free := "free is unknown"
	if d.Free >= 0 {
		free = terminal.Size(d.Free) + " free"
	}
	if d.Share != "" {
		w.line("disk: %s: %s needed, %s", d.Share, needed, free)
		return
	}
	w.line("disk: %s needed%s, %s", needed, volumes, free)
}

func (w *writer) table(images []Image) {
	w.names, w.label = len("IMAGE"), len("PLATFORM")
	for _, im := range images {
		for _, r := range im.Rows {
			w.label = max(w.label, len(r.Label))
		}
	}
	room := w.width - 2 - w.label - len(fmt.Sprintf(sizes, "", "", "", ""))
	for _, im := range images {
		if n := len(terminal.Line(im.Name)); n <= room {
			w.names = max(w.names, n)
		}
	}
	w.row("IMAGE", "PLATFORM", "TOTAL", "SHARED", "THERE", "TO MOVE")
	for _, im := range images {
		name := terminal.Line(im.Name)
		for _, r := range im.Rows {
			w.row(name, r.Label, terminal.Size(r.Total), terminal.Size(r.Shared), terminal.Size(r.There), r.moves())
			name = ""
		}
	}
}

// moves is what a row says of what moves.
func (r Row) moves() string {
	switch {
	case r.PlainLayers > 0:
		return "<" + terminal.Size(r.Move+r.Plain)
	case r.LeftOut > 0:
		return "missing"
	}
	return terminal.Size(r.Move)
}

// row writes a row. A name that is too long stands on a line of its own.
func (w *writer) row(name, label string, cells ...any) {
	if w.width <= narrow {
		switch {
		case name == "":
			w.line("  %s", label)
		case len(name)+2+len(label) <= w.width:
			w.line("%s  %s", name, label)
		default:
			w.line("%s", name)
			w.line("  %s", label)
		}
		w.line("  "+narrowSize, cells...)
		return
	}
	if len(name) > w.names {
		w.line("%s", name)
		name = ""
	}
	w.line("%-*s  %-*s"+sizes, append([]any{w.names, name, w.label, label}, cells...)...)
}
