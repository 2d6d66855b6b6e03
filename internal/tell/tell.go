// Package tell writes what a command says besides its result, each thing when it happens: as lines of text
// for people, or as JSON for programs, an object a line.
package tell

import (
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"

	"drayage/internal/terminal"
)

// Level says how much a line matters.
type Level string

// The levels.
const (
	Error   Level = "error"
	Warning Level = "warning"
	Info    Level = "info"
	Debug   Level = "debug" // a request
)

// Line is one thing to say. Message is for people and is all that text shows. The other fields are for
// programs; docs/commands.md explains them.
type Line struct {
	Time    time.Time `json:"time"`
	Level   Level     `json:"level"`
	Event   string    `json:"event"`
	Message string    `json:"message"`

	Code     string `json:"code,omitempty"`     // of an error: one word for each exit code
	ExitCode int    `json:"exitCode,omitempty"` // of the error that ends a command

	Image  string   `json:"image,omitempty"`
	Digest string   `json:"digest,omitempty"`
	Images []string `json:"images,omitempty"`

	Host          string  `json:"host,omitempty"`
	Attempt       int     `json:"attempt,omitempty"`     // the number of a retry or of a request
	MaxAttempts   int     `json:"maxAttempts,omitempty"` // how many retries there are at most
	SecondsToWait float64 `json:"secondsToWait,omitempty"`
	Others        int     `json:"others,omitempty"` // retries that were not told by themselves
	Next          string  `json:"next,omitempty"`   // the host that is asked instead

	Method        string  `json:"method,omitempty"`
	URL           string  `json:"url,omitempty"`
	Status        int     `json:"status,omitempty"`
	Seconds       float64 `json:"seconds,omitempty"` // that a request took
	SentBytes     int64   `json:"sentBytes,omitempty"`
	ReceivedBytes int64   `json:"receivedBytes,omitempty"`

	KeptBytes int64  `json:"keptBytes,omitempty"` // what is kept of images that are not complete,
	KeptIn    string `json:"keptIn,omitempty"`    // and where
}

// Writer writes lines. It may be used concurrently.
type Writer struct {
	W    io.Writer                // makes text fit for a terminal
	Mask func(text string) string // takes secrets out; may be nil
	JSON bool
	Now  func() time.Time // nil: time.Now

	mu      sync.Mutex
	retries map[string]*spell // by host
}

// Say writes a line.
func (w *Writer) Say(l Line) {
	var b strings.Builder
	if !w.JSON {
		if l.Level == Error && l.Event != "failed" {
			b.WriteString("drayage: ")
		}
		b.WriteString(l.Message)
		b.WriteByte('\n')
		io.WriteString(w.W, b.String()) // where nobody reads any more, there is nobody to tell that
		return
	}
	l.Time = w.now().UTC().Truncate(time.Millisecond)
	for _, text := range []*string{&l.Message, &l.Image, &l.Host, &l.Next, &l.URL, &l.KeptIn} {
		*text = w.mask(*text)
	}
	for i := range l.Images {
		l.Images[i] = w.mask(l.Images[i])
	}
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(l) == nil {
		io.WriteString(w.W, b.String())
	}
}

func (w *Writer) now() time.Time {
	if w.Now != nil {
		return w.Now()
	}
	return time.Now()
}

func (w *Writer) mask(text string) string {
	if w.Mask == nil {
		return text
	}
	return w.Mask(text)
}

// Note says something that is no error. What stands before its colon tells a program what it is.
func (w *Writer) Note(format string, args ...any) {
	l := Line{Level: Info, Event: "note", Message: terminal.Sprintf(format, args...)}
	if w.JSON {
		l.Message = strings.TrimPrefix(l.Message, "note: ")
		if rest, ok := strings.CutPrefix(l.Message, "warning: "); ok {
			l.Message, l.Level, l.Event = rest, Warning, "warning"
		}
	}
	w.Say(l)
}
