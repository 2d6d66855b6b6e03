package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// The measures of the picture, in pixels.
const (
	charWidth  = 8.4
	lineHeight = 20
	left, top  = 16, 44
	width      = 2*left + 672 // 80 characters
	height     = top + rows*lineHeight + 8
	hold       = 7 * time.Second        // how long the end stays before the recording begins again
	smoothness = 100 * time.Millisecond // what happens within that is one picture
)

const style = `
rect { fill: #ffffff; stroke: #d1d9e0 }
text { fill: #1f2328; white-space: pre;
font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
.typed { fill: #0757ba; font-weight: 600 }
.comment, .title { fill: #59636e }
.title { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }
@media (prefers-color-scheme: dark) {
rect { fill: #0d1117; stroke: #3d444d }
text { fill: #e6edf3 }
.typed { fill: #79b8ff }
.comment, .title { fill: #9198a1 } }
.a { animation: %s step-end infinite }
.gone { visibility: hidden }
@media (prefers-reduced-motion: reduce) { .a { animation: none } }
`

// stay is a text that stands in a row for some time.
type stay struct {
	row      int
	text     string
	from, to time.Duration
}

// stays replays the events and returns what stood where, and when. What stands in the end has the time end.
func (s *session) stays(end time.Duration) (all []stay, err error) {
	screen := newScreen(columns, rows)
	current := make([]stay, rows)
	for i, e := range s.events {
		if err := screen.write(e.data); err != nil {
			return nil, err
		}
		if i+1 < len(s.events) && s.events[i+1].at/smoothness == e.at/smoothness {
			continue
		}
		for row, text := range screen.text() {
			if text == current[row].text {
				continue
			}
			all = finished(all, current[row], e.at)
			current[row] = stay{row: row, text: text, from: e.at}
		}
	}
	for _, r := range current {
		all = finished(all, r, end)
	}
	return all, nil
}

func finished(all []stay, r stay, to time.Duration) []stay {
	if r.text == "" {
		return all
	}
	r.to = to
	return append(all, r)
}

const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img"
aria-labelledby="title description">
<title id="title">drayage in a terminal: fetch, Ctrl-C, the same fetch resumes, save, push</title>
<desc id="description">The page recording.md has the same as text.</desc>
`

// drawSVG writes the recording as a picture that moves by itself. Where nothing moves, the end is shown.
func (s *session) drawSVG(w io.Writer) error {
	end := s.clock + hold
	all, err := s.stays(end)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, head+"<style>", width, height)
	fmt.Fprintf(&b, style, fmt.Sprintf("%.2fs", end.Seconds()))
	for i, r := range all {
		keyframes(&b, i, r, end)
	}
	fmt.Fprintf(&b, "</style>\n"+`<rect x=".5" y=".5" width="%d" height="%d" rx="9"/>`+"\n", width-1, height-1)
	fmt.Fprintf(&b, `<text class="title" x="%d" y="26">a real run of drayage, on a slow link</text>`+"\n", left)
	for i, r := range all {
		drawStay(&b, i, r, end)
	}
	b.WriteString("</svg>\n")
	_, err = w.Write(b.Bytes())
	return err
}

// keyframes says when a text is seen.
func keyframes(b *bytes.Buffer, i int, r stay, end time.Duration) {
	fmt.Fprintf(b, "@keyframes k%d{0%%{visibility:hidden}%s{visibility:visible}", i, share100(r.from, end))
	if r.to < end {
		fmt.Fprintf(b, "%s{visibility:hidden}100%%{visibility:hidden}", share100(r.to, end))
	} else {
		b.WriteString("100%{visibility:visible}")
	}
	b.WriteString("}\n")
}

func drawStay(b *bytes.Buffer, i int, r stay, end time.Duration) {
	class := "a"
	if r.to < end {
		class += " gone"
	}
	switch {
	case strings.HasPrefix(r.text, prompt+"#"):
		class += " comment"
	case strings.HasPrefix(r.text, strings.TrimSpace(prompt)):
		class += " typed"
	}
	fmt.Fprintf(b, `<text class="%s" style="animation-name:k%d" x="%d" y="%d" textLength="%.1f"`+
		` xml:space="preserve">`, class, i, left, top+r.row*lineHeight+14, charWidth*float64(len([]rune(r.text))))
	_ = xml.EscapeText(b, []byte(r.text)) // a Buffer takes everything
	b.WriteString("</text>\n")
}

// share100 is where in the whole a time is, as CSS writes it.
func share100(d, whole time.Duration) string {
	return fmt.Sprintf("%.2f%%", 100*d.Seconds()/whole.Seconds())
}
