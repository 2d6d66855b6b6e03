package tell

import (
	"fmt"
	"strings"

	"drayage/internal/terminal"
)

// Failure is an image that has failed.
type Failure struct {
	Image  string
	Reason string // in a few words
}

// Failures says once more which images have failed: under a heading, as lines of a list of images, with the
// reasons as comments.
func (w *Writer) Failures(heading string, all []Failure) {
	var names []string
	var b strings.Builder
	b.WriteString("# " + heading)
	for _, f := range all {
		names = append(names, f.Image)
		b.WriteString("\n" + terminal.Line(f.Image) + "  # " + terminal.Escape(f.Reason, maxReason))
	}
	l := Line{Level: Error, Event: "failed", Message: b.String(), Images: names}
	if w.JSON {
		l.Message = terminal.Count(len(all), "image") + " failed"
	}
	w.Say(l)
}

const maxReason = 200

// Interrupted is what has become of the images of a command that was broken off.
type Interrupted struct {
	Total                     int
	Complete, Begun, NotBegun []string // names of images; the others have failed
	KeptBytes                 int64    // of images that have been begun
	KeptIn                    string   // where these are; empty: in the registry
}

// Interrupted says what is complete, what is kept and what has not begun.
func (w *Writer) Interrupted(i Interrupted) {
	say := func(event string, names []string, format string, args ...any) Line {
		text := terminal.Sprintf(format, args...)
		if len(names) > 0 && i.Total > 1 {
			text += ": " + some(names)
		}
		return Line{Level: Info, Event: event, Message: text, Images: names}
	}
	if i.Total > 1 {
		w.Say(say("complete", i.Complete, "complete: %d of %d images", len(i.Complete), i.Total))
	}
	where := ""
	if i.KeptIn != "" {
		where = " in " + i.KeptIn
	}
	if len(i.Begun) > 0 {
		l := say("kept", i.Begun, "kept%s: %s of %s", where, terminal.Size(i.KeptBytes),
			terminal.Count(len(i.Begun), "image"))
		l.KeptBytes, l.KeptIn = i.KeptBytes, i.KeptIn
		w.Say(l)
	}
	if len(i.NotBegun) > 0 {
		w.Say(say("not-begun", i.NotBegun, "not begun: %s", terminal.Count(len(i.NotBegun), "image")))
	}
}

// maxNamed is how many names a line has. A thousand would push everything else off the screen.
const maxNamed = 20

func some(names []string) string {
	more := ""
	if n := len(names); n > maxNamed {
		names, more = names[:maxNamed], fmt.Sprintf(" and %d more", n-maxNamed)
	}
	return terminal.Line(strings.Join(names, ", ")) + more
}
