package progress

import (
	"fmt"
	"strings"
	"time"

	"drayage/internal/tally"
	"drayage/internal/terminal"
)

// View is how far a command is at a moment.
type View struct {
	Verb string
	tally.Sum
	Rate  float64       // bytes that move in a second, smoothed; 0: unknown
	Left  time.Duration // 0: unknown
	Stuck time.Duration // how long nothing has moved; 0: something moves, or that is not worth telling
}

// parts are what a status line may tell, in the order in which it does.
type parts struct {
	bar     bool
	percent bool
	blobs   int // 1: 6/13, 2: 6/13 blobs
	bytes   bool
	rate    bool
	left    bool
	image   int // the cells that the name of the image must have at least; 0: no name
}

// forms are the status lines that there are, from the richest to the poorest.
var forms = []parts{
	{bar: true, percent: true, blobs: 2, bytes: true, rate: true, left: true, image: 20},
	{percent: true, blobs: 2, bytes: true, rate: true, left: true, image: 12},
	{percent: true, blobs: 2, bytes: true, rate: true, left: true},
	{percent: true, blobs: 1, bytes: true, rate: true, left: true},
	{percent: true, blobs: 1, bytes: true, left: true},
	{percent: true, blobs: 1, rate: true, left: true},
	{percent: true, blobs: 1, left: true},
	{percent: true, left: true},
	{percent: true, blobs: 1},
	{percent: true},
}

const (
	gap      = "  "
	leastBar = 12
	mostBar  = 30
	// barFrom is the least width with a bar. Below, a bar would come and go with what is known.
	barFrom = 90
)

// Line returns the richest status line that takes no more than width cells.
func (v View) Line(width int) string {
	for _, f := range forms {
		if f.bar && (width < barFrom || v.Total <= 0) {
			continue
		}
		if line, ok := v.form(f, width); ok {
			return line
		}
	}
	if percent := v.percent(); len(percent) <= width {
		return percent
	}
	return ""
}

// usual is the view with figures that are as long as they usually become. The form of a line is chosen by it,
// so that the form stays while the figures change.
func (v View) usual() View {
	v.Held, v.Ready, v.Rate = v.Total-1, v.Blobs, 999.9e6
	v.Left = max(v.Left, 59*time.Second)
	if v.Left >= time.Minute {
		v.Left = max(v.Left, 59*time.Minute)
	}
	return v
}

// form returns the status line of a form, and whether it fits.
func (v View) form(f parts, width int) (string, bool) {
	line := v.Verb
	tail := v.tail(f)
	room := width - Cells(line) - max(Cells(tail), Cells(v.usual().tail(f)))
	if name := imageName(v.Image); f.image > 0 && name != "" {
		name += v.others()
		least := min(f.image, Cells(name))
		most := room - len(gap)
		if f.bar {
			most -= leastBar + len(gap)
		}
		if most < least {
			return "", false
		}
		name = cutName(name, most)
		tail += gap + name
		room -= len(gap) + Cells(name)
	}
	if f.bar {
		n := min(room-len(gap), mostBar)
		if n < leastBar {
			return "", false
		}
		line += gap + v.bar(n)
	}
	line += tail
	return line, room >= 0
}

// tail is what stands between the bar and the name of the image.
func (v View) tail(f parts) string {
	var b strings.Builder
	put := func(wanted bool, text string) {
		if wanted && text != "" {
			b.WriteString(gap + text)
		}
	}
	put(f.percent, v.percent())
	put(f.blobs > 0 && v.Blobs > 0, fmt.Sprintf("%d/%d", v.Ready, v.Blobs)+strings.Repeat(" blobs", f.blobs/2))
	put(f.bytes, v.bytes())
	if state := v.state(); state != "" {
		put(f.rate || f.left, state)
		return b.String()
	}
	put(f.rate && v.Rate > 0, v.rate())
	put(f.left && v.Left > 0, duration(v.Left)+" left")
	return b.String()
}

// state says why there is no rate, if it is known.
func (v View) state() string {
	switch {
	case v.Total > 0 && v.Held >= v.Total:
		return "finishing"
	case v.Stuck > 0:
		if v.Verb == "patch" { // what it reads is here: it computes
			return "working " + duration(v.Stuck)
		}
		return "waiting " + duration(v.Stuck)
	}
	return ""
}

func (v View) share() float64 {
	if v.Total <= 0 {
		return 0
	}
	return min(max(float64(v.Held)/float64(v.Total), 0), 1)
}

// percent is rounded down: 100% means that nothing is missing.
func (v View) percent() string {
	if v.Total <= 0 {
		return ""
	}
	return fmt.Sprintf("%d%%", int(100*v.share()))
}

func (v View) rate() string { return terminal.Size(int64(v.Rate)) + "/s" }

// bytes names the unit once, if it is the same.
func (v View) bytes() string {
	if v.Total <= 0 {
		return ""
	}
	held, total := terminal.Size(v.Held), terminal.Size(v.Total)
	if n, unit, _ := strings.Cut(held, " "); strings.HasSuffix(total, " "+unit) {
		held = n
	}
	return held + " of " + total
}

func (v View) bar(width int) string {
	n := width - 2
	done := int(v.share() * float64(n))
	return "[" + strings.Repeat("=", done) + strings.Repeat(" ", n-done) + "]"
}

// others counts the images that are not done, besides the one that is named.
func (v View) others() string {
	if v.Images > 1 {
		return fmt.Sprintf(" +%d", v.Images-1)
	}
	return ""
}

// Text is the line for where there is no terminal to draw on.
func (v View) Text() string {
	var told []string
	put := func(part string) {
		if part != "" {
			told = append(told, part)
		}
	}
	put(v.percent())
	put(fmt.Sprintf("%d of %d blobs", v.Ready, v.Blobs))
	put(v.bytes())
	put(v.state())
	if v.state() == "" && v.Rate > 0 {
		put(v.rate())
		if v.Left > 0 {
			put(duration(v.Left) + " left")
		}
	}
	if name := imageName(v.Image); name != "" {
		put(name + v.others())
	}
	return v.Verb + ": " + strings.Join(told, ", ")
}

// duration is short and never 0s: who waits for something waits a little.
func duration(d time.Duration) string {
	s := max(int64(d.Round(time.Second)/time.Second), 1)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 100*3600:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd", s/86400)
}

// imageName shortens a name to what tells images apart.
func imageName(name string) string {
	name = strings.TrimPrefix(terminal.Line(name), "docker.io/")
	name = strings.TrimPrefix(name, "library/")
	if at := strings.LastIndex(name, "@"); at >= 0 {
		_, hash, _ := strings.Cut(name[at:], ":")
		name = name[:at] + "@" + hash[:min(len(hash), 12)]
	}
	return name
}
