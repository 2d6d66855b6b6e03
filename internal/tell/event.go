package tell

import (
	"fmt"
	"time"

	"drayage/internal/terminal"
	"drayage/registry"
)

// Event says what a client of registries does. Requests are said if requests is true.
func (w *Writer) Event(e registry.Event, requests bool) {
	switch e := e.(type) {
	case *registry.Exchange:
		if requests {
			w.Say(exchange(e))
		}
	case *registry.Retry:
		w.retry(e)
	case *registry.Pause:
		w.Say(Line{Level: Info, Event: "pause", Message: terminal.Line(e.String()), Host: e.Host,
			SecondsToWait: e.Wait.Seconds(), Status: e.Cause.Status})
	case *registry.GivenUp:
		l := Line{Level: Warning, Event: "given-up", Message: terminal.Line(e.String()),
			Host: e.Host, Next: e.Next}
		if !w.JSON {
			l.Message = "note: " + l.Message
		}
		w.Say(l)
	default:
		w.Note("note: %s", e)
	}
}

// exchange is the line about a request.
func exchange(x *registry.Exchange) Line {
	l := Line{
		Level: Debug, Event: "request", Method: x.Method, URL: x.URL, Status: x.Status, Attempt: x.Attempt,
		Seconds: x.Took.Seconds(), SentBytes: x.Sent, ReceivedBytes: x.Received,
	}
	text := x.Method + " " + x.URL + ": " + x.Outcome()
	if x.Sent > 0 {
		text += ", " + terminal.Size(x.Sent) + " sent"
	}
	if x.Received > 0 {
		text += ", " + terminal.Size(x.Received) + " received"
	}
	text += ", " + x.Took.Round(time.Millisecond).String()
	if x.Attempt > 1 {
		text += fmt.Sprintf(", attempt %d", x.Attempt)
	}
	l.Message = terminal.Line(text)
	return l
}

// spell is the time in which requests to one host fail.
type spell struct {
	until  time.Time // when the retry comes that was said last
	number int       // of that retry
	hidden int       // how many have not been said since
}

// retry says a retry, unless one of the same host that has been said is still waiting: streams that run side
// by side fail together. If they fail more often in a row than that one has, it is said again.
func (w *Writer) retry(r *registry.Retry) {
	if r.Asked { // the pause says it
		return
	}
	now := w.now()
	w.mu.Lock()
	if w.retries == nil {
		w.retries = map[string]*spell{}
	}
	s := w.retries[r.Host]
	if s == nil {
		s = &spell{}
		w.retries[r.Host] = s
	}
	hide := now.Before(s.until) && r.Number <= s.number
	others := s.hidden
	if hide {
		s.hidden++
	} else {
		s.until, s.number, s.hidden = now.Add(r.Wait), r.Number, 0
	}
	w.mu.Unlock()
	if hide {
		return
	}
	text := r.String()
	if others > 0 {
		text += fmt.Sprintf("; %s before it", terminal.Count(others, "other"))
	}
	w.Say(Line{
		Level: Warning, Event: "retry", Message: terminal.Line(text), Host: r.Host, Attempt: r.Number,
		MaxAttempts: r.Most, SecondsToWait: r.Wait.Seconds(), Status: r.Status(), Others: others,
	})
}
