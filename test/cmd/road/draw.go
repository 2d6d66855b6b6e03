package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
)

// colours are what the pictures for light and dark pages differ in.
type colours struct {
	paper, ink, muted, line, box, edge, gap string
	id, digest, referrers                   string // of the tags that say what survives
	tag                                     string // the text on them
}

var (
	light = colours{
		paper: "#ffffff", ink: "#1f2328", muted: "#59636e", line: "#59636e", box: "#f6f8fa", edge: "#8c959f",
		gap: "#fff1d6", id: "#0757ba", digest: "#0d6a2b", referrers: "#7037c2", tag: "#ffffff",
	}
	dark = colours{
		paper: "#0d1117", ink: "#e6edf3", muted: "#a2abb5", line: "#a2abb5", box: "#1c232c", edge: "#6e7681",
		gap: "#3a2c10", id: "#79b8ff", digest: "#6fdd8b", referrers: "#d2a8ff", tag: "#0d1117",
	}
)

const style = `
text { font: 15px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; fill: %[2]s }
.name { font-weight: 600 }
.command { font: 600 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
.small { font-size: 13px; fill: %[3]s }
.middle { text-anchor: middle }
.paper { fill: %[1]s }
.box { fill: %[5]s; stroke: %[6]s; stroke-width: 1.5 }
.gap { fill: %[7]s }
.line { fill: none; stroke: %[4]s; stroke-width: 2 }
.dashed { stroke-dasharray: 6 5 }
.head { fill: %[4]s }
.tag { font-size: 12px; font-weight: 600; fill: %[11]s; text-anchor: middle }
.id { fill: %[8]s }
.digest { fill: %[9]s }
.referrers { fill: %[10]s }
.none { fill: %[1]s; stroke: %[6]s; stroke-dasharray: 3 3 }
.lost { fill: %[3]s; font-weight: 400; text-decoration: line-through }
`

// survivor is what may survive on an arrow, with the width of its tag.
type survivor struct {
	class, text string
	width       int
}

var (
	imageID   = survivor{"id", "image ID", 70}
	digests   = survivor{"digest", "digest", 56}
	referrers = survivor{"referrers", "referrers", 74}
	everyone  = []survivor{imageID, digests, referrers}
)

// A drawing is an SVG that grows. Its shapes carry classes, and only the style knows colours.
type drawing struct{ bytes.Buffer }

func newDrawing(width, height int, c colours, title, description string) *drawing {
	d := &drawing{}
	d.add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img"`+
		` aria-labelledby="title description">`, width, height)
	d.add(`<title id="title">%s</title>`, escaped(title))
	d.add(`<desc id="description">%s</desc>`, escaped(description))
	d.add("<style>"+style+"</style>", c.paper, c.ink, c.muted, c.line, c.box, c.edge, c.gap, c.id, c.digest,
		c.referrers, c.tag)
	d.add(`<rect class="paper" width="%d" height="%d" rx="10"/>`, width, height)
	return d
}

func (d *drawing) add(format string, args ...any) {
	fmt.Fprintf(d, format+"\n", args...)
}

func (d *drawing) done() []byte {
	d.add("</svg>")
	return d.Bytes()
}

func (d *drawing) text(x, y int, class, text string) {
	d.add(`<text x="%d" y="%d" class="%s">%s</text>`, x, y, class, escaped(text))
}

// box is a place where images are: its name, and lines about it.
func (d *drawing) box(x, y, width, height int, name string, about ...string) {
	d.add(`<rect class="box" x="%d" y="%d" width="%d" height="%d" rx="8"/>`, x, y, width, height)
	top := y + height/2 + 5 - 10*len(about)
	d.text(x+width/2, top, "name middle", name)
	for i, line := range about {
		d.text(x+width/2, top+20*(i+1), "small middle", line)
	}
}

// arrow is a line along points, with a head at its end that looks in the direction right, down or up.
func (d *drawing) arrow(class, direction string, points ...int) {
	d.line(class, points...)
	x, y := points[len(points)-2], points[len(points)-1]
	head := map[string][4]int{"right": {-11, -6, -11, 6}, "down": {-6, -11, 6, -11}}[direction]
	d.add(`<path class="head" d="M%d %dl%d %dL%d %dz"/>`, x, y, head[0], head[1], x+head[2], y+head[3])
}

func (d *drawing) line(class string, points ...int) {
	var path strings.Builder
	for i := 0; i < len(points); i += 2 {
		fmt.Fprintf(&path, "%s%d %d", map[bool]string{true: "M", false: "L"}[i == 0], points[i], points[i+1])
	}
	d.add(`<path class="%s" d="%s"/>`, class, &path)
}

// tags shows what survives, from x on, and strikes out what does not.
func (d *drawing) tags(x, y int, survivors ...survivor) {
	for _, s := range everyone {
		if !slices.Contains(survivors, s) {
			s.class = "none"
		}
		d.tag(x, y, s)
		x += s.width + 5
	}
}

func (d *drawing) tag(x, y int, s survivor) {
	class := "tag"
	if s.class == "none" {
		class = "tag lost"
	}
	d.add(`<rect class="%s" x="%d" y="%d" width="%d" height="20" rx="10"/>`, s.class, x, y, s.width)
	d.text(x+s.width/2, y+14, class, s.text)
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
