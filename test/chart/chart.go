// Package chart draws bars as SVG for the pages in docs, light and dark. Each bar has its figure behind it.
// The same figures give the same bytes, so that tests compare a picture with the figures on its page.
package chart

import (
	"encoding/xml"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Chart is a picture of one or more panels, one above the other.
type Chart struct {
	Title, Description string // for readers who do not see it
	Panels             []Panel
}

// Panel is a group of bars with a scale of its own. The longest bar fills the width.
type Panel struct {
	Title string
	Bars  []Bar
}

// Bar is a bar with a name before it and its figure behind it.
type Bar struct {
	Label string
	Value float64
	Of    float64 // what Value is a part of; 0: of nothing
	Text  string
	Own   bool // stands out
}

// The measures of a picture, in its own unit: about a pixel, where it is shown as large as it is.
const (
	width     = 520
	barsFrom  = 162 // where bars begin; names end before
	barsTo    = 406 // where the longest bar ends; its figure follows
	barHeight = 15
	row       = 24
	titleRow  = 28
	between   = 20 // panels
	margin    = 14
)

// colours are those of the site.
type colours struct{ paper, ink, soft, own, other, rest string }

var (
	light = colours{"#fcfcfa", "#1b2529", "#53626a", "#0f5c73", "#a9b5b9", "#e6ebea"}
	dark  = colours{"#12181b", "#dde5e6", "#9badb3", "#74c3d8", "#56666d", "#263137"}
)

// Files is the picture in light and in dark, by the names of the files.
func (c Chart) Files(name string) map[string][]byte {
	return map[string][]byte{name + "-light.svg": c.draw(light), name + "-dark.svg": c.draw(dark)}
}

// Picture is the Markdown that shows the picture. Dir is where its files are, seen from the page. Its text is
// short, because the figures stand on the page too.
func (c Chart) Picture(dir, name string) string {
	return fmt.Sprintf(`<picture>
  <source media="(prefers-color-scheme: dark)" srcset="%s/%s-dark.svg">
  <img src="%s/%s-light.svg" width="%d"
    alt="%s">
</picture>
`, dir, name, dir, name, width, escape(c.Title+". The tables on this page have the figures."))
}

func (c Chart) height() int {
	h := 2*margin - between
	for _, p := range c.Panels {
		h += titleRow + row*len(p.Bars) + between
	}
	return h
}

func (c Chart) draw(with colours) []byte {
	var b strings.Builder
	h := c.height()
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d"
	role="img" aria-labelledby="title description">
`, width, h, width, h)
	fmt.Fprintf(&b, "<title id=\"title\">%s</title>\n<desc id=\"description\">%s</desc>\n",
		escape(c.Title), escape(c.Description))
	fmt.Fprintf(&b, `<style>
text { font: 14px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; fill: %s }
.title { font-weight: 600 }
.name { text-anchor: end }
.soft { fill: %s }
.own { font-weight: 600 }
</style>
`, with.ink, with.soft)
	fmt.Fprintf(&b, "<rect width=\"%d\" height=\"%d\" rx=\"8\" fill=\"%s\"/>\n", width, h, with.paper)
	y := margin
	for _, p := range c.Panels {
		fmt.Fprintf(&b, "<text class=\"title\" x=\"%d\" y=\"%d\">%s</text>\n", margin, y+15, escape(p.Title))
		y += titleRow
		for _, bar := range p.Bars {
			bar.draw(&b, with, y, p.longest())
			y += row
		}
		y += between
	}
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

// longest is the figure of the longest bar.
func (p Panel) longest() (most float64) {
	for _, bar := range p.Bars {
		most = max(most, bar.Value, bar.Of)
	}
	return most
}

func (bar Bar) draw(b *strings.Builder, with colours, y int, longest float64) {
	length := func(value float64) float64 {
		if longest == 0 {
			return 0
		}
		return max(value/longest*(barsTo-barsFrom), 1) // what is little is still seen
	}
	class, fill := "soft", with.other
	if bar.Own {
		class, fill = "own", with.own
	}
	fmt.Fprintf(b, "<text class=\"name %s\" x=\"%d\" y=\"%d\">%s</text>\n",
		class, barsFrom-8, y+12, escape(bar.Label))
	if bar.Of > 0 {
		fmt.Fprintf(b, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\" fill=\"%s\"/>\n",
			barsFrom, y, length(bar.Of), barHeight, with.rest)
	}
	fmt.Fprintf(b, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\" fill=\"%s\"/>\n",
		barsFrom, y, length(bar.Value), barHeight, fill)
	fmt.Fprintf(b, "<text class=\"%s\" x=\"%.1f\" y=\"%d\">%s</text>\n",
		class, barsFrom+length(max(bar.Value, bar.Of))+7, y+12, escape(bar.Text))
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a builder takes everything
	return b.String()
}

// Save writes files into dir.
func Save(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(dir, name), files[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Differ lists the files that dir does not hold as they are here.
func Differ(dir string, files map[string][]byte) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if held, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(held) != string(files[name]) {
			names = append(names, name)
		}
	}
	return names
}
