package tell

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"drayage/registry"
)

// clock is a time that tests move.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) now() time.Time { return c.at }

func refused(host string, number int, wait time.Duration) *registry.Retry {
	return &registry.Retry{Host: host, Number: number, Most: 5, Wait: wait, Cause: &registry.Error{Status: 503}}
}

// Streams that run side by side and fail together make one line, as long as nothing gets worse.
func TestRetriesOfOneHostMakeOneLine(t *testing.T) {
	var b bytes.Buffer
	c := newClock()
	w := &Writer{W: &b, Now: c.now}
	lines := func() string {
		defer b.Reset()
		return b.String()
	}
	for range 16 {
		w.Event(refused("a.test", 1, time.Second), false)
	}
	if got := lines(); got != "retry 1 of 5 in 1.0 s: 503 Service Unavailable from a.test\n" {
		t.Errorf("16 streams: %q", got)
	}
	w.Event(refused("b.test", 1, time.Second), false)
	if got := lines(); !strings.Contains(got, "from b.test") {
		t.Errorf("another host: %q", got)
	}
	w.Event(refused("a.test", 2, 2*time.Second), false)
	const worse = "retry 2 of 5 in 2.0 s: 503 Service Unavailable from a.test; 15 others before it\n"
	if got := lines(); got != worse {
		t.Errorf("it gets worse: %q", got)
	}
	c.at = c.at.Add(1999 * time.Millisecond)
	w.Event(refused("a.test", 1, time.Second), false)
	if got := lines(); got != "" {
		t.Errorf("while another waits: %q", got)
	}
	c.at = c.at.Add(time.Millisecond)
	w.Event(refused("a.test", 1, time.Second), false)
	const later = "retry 1 of 5 in 1.0 s: 503 Service Unavailable from a.test; 1 other before it\n"
	if got := lines(); got != later {
		t.Errorf("later: %q", got)
	}
}

func TestEventsAsText(t *testing.T) {
	request := &registry.Exchange{Method: "GET", URL: "https://a.test/v2/x\x1b", Status: 200, Attempt: 2,
		Received: 12_345, Took: 1234567 * time.Microsecond}
	failed := &registry.Exchange{Method: "PUT", URL: "https://a.test/v2/x", Attempt: 1, Sent: 5,
		Err: errors.New("reset"), Took: time.Second}
	pause := &registry.Pause{Host: "a.test", Wait: 30 * time.Second, Cause: &registry.Error{Status: 429}}
	asked := &registry.Retry{Host: "a.test", Asked: true, Cause: &registry.Error{Status: 429}}
	given := &registry.GivenUp{Host: "m.test", Next: "a.test", Repository: "r", Cause: errors.New("gone")}
	for _, c := range []struct {
		event    registry.Event
		requests bool
		want     string
	}{
		{request, true, `GET https://a.test/v2/x\u001b: 200 OK, 12.3 kB received, 1.235s, attempt 2` + "\n"},
		{failed, true, "PUT https://a.test/v2/x: no answer (reset), 5 B sent, 1s\n"},
		{request, false, ""},
		{pause, false, "a.test asks to wait 30 s (429 Too Many Requests)\n"},
		{asked, true, ""},
		{given, false, "note: m.test cannot serve r (gone): trying a.test\n"},
		{registry.Notice{Text: "a\nb"}, false, `note: a\nb` + "\n"},
	} {
		var b bytes.Buffer
		(&Writer{W: &b}).Event(c.event, c.requests)
		if got := b.String(); strings.ReplaceAll(got, `\x1b`, `\u001b`) != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
}

// Every line is one object with the time, the level, the event and the message, and no secret.
func TestLinesAsJSON(t *testing.T) {
	var b bytes.Buffer
	c := newClock()
	mask := func(s string) string { return strings.ReplaceAll(s, "pw", "***") }
	w := &Writer{W: &b, Now: c.now, JSON: true, Mask: mask}
	w.Note("note: %s has pw", "a\nb")
	w.Note("warning: old")
	w.Note("done:\n  x")
	x := &registry.Exchange{Method: "GET", URL: "https://a.test/pw", Status: 200, Attempt: 1, Took: time.Second}
	w.Event(x, true)
	w.Event(refused("a.test", 3, 4*time.Second), false)
	w.Say(Line{Level: Error, Event: "error", Message: `bad "pw"`, Code: "usage", Images: []string{"pw"}})
	var got []string
	for line := range strings.Lines(b.String()) {
		var l Line
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if !l.Time.Equal(c.at) || strings.Contains(line, "pw") {
			t.Error(line)
		}
		got = append(got, fmt.Sprintf("%s %s %q", l.Level, l.Event, l.Message))
	}
	want := []string{`info note "a\\nb has ***"`, `warning warning "old"`, `info note "done:\n  x"`,
		`debug request "GET https://a.test/***: 200 OK, 1s"`,
		`warning retry "retry 3 of 5 in 4.0 s: 503 Service Unavailable from a.test"`,
		`error error "bad \"***\""`}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	const fields = `"host":"a.test","attempt":3,"maxAttempts":5,"secondsToWait":4,"status":503`
	if !strings.Contains(b.String(), fields) {
		t.Error(b.String())
	}
}
