package progress

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"drayage/internal/tally"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// course is a command on a clock of its own.
type course struct {
	*testing.T
	now time.Time
	sum tally.Sum
}

func (c *course) pass(d time.Duration, bytes int64) {
	c.now = c.now.Add(d)
	c.sum.Held += bytes
	c.sum.Moved += bytes
}

func begin(t *testing.T) *course {
	return &course{T: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		sum: tally.Sum{Total: 100e6, Blobs: 4, Images: 1}}
}

func (c *course) meter(style Style) *Meter {
	m := &Meter{Verb: "fetch", Style: style, Now: func() time.Time { return c.now },
		Sum: func() tally.Sum { return c.sum }}
	m.begin()
	return m
}

func TestPace(t *testing.T) {
	c := begin(t)
	var p pace
	at := func() View { return p.view("fetch", c.sum, c.now) }
	is := func(when string, rate float64, left, stuck time.Duration) {
		t.Helper()
		if v := at(); v.Rate != rate || v.Left.Round(time.Second) != left || v.Stuck != stuck {
			t.Errorf("%s: %.0f, %s left, stuck for %s; want %.0f, %s, %s", when, v.Rate, v.Left, v.Stuck,
				rate, left, stuck)
		}
	}
	c.sum.Held, c.sum.Present = 20e6, 20e6
	is("what was there", 0, 0, 0)
	c.pass(500*time.Millisecond, 1e6)
	is("too early", 0, 0, 0)
	c.pass(500*time.Millisecond, 1e6)
	is("a second", 2e6, 39*time.Second, 0)
	for range 20 {
		c.pass(500*time.Millisecond, 5e5)
		at()
	}
	is("slower for ten seconds", 1e6, 68*time.Second, 0)
	c.sum.Held, c.sum.Present = c.sum.Held+40e6, c.sum.Present+40e6
	is("more was there", 1e6, 28*time.Second, 0)
	c.pass(2900*time.Millisecond, 0)
	if v := at(); v.Stuck != 0 || v.Rate == 0 {
		t.Errorf("before it is worth a word: %+v", v)
	}
	c.pass(100*time.Millisecond, 0)
	is("stuck", 0, 0, 3*time.Second)
	c.pass(time.Minute, 0)
	is("stuck for long", 0, 0, 63*time.Second)
	c.pass(time.Second, 1e6)
	if v := at(); v.Stuck != 0 {
		t.Errorf("it goes on: %+v", v)
	}
}

// An upload that begins again brings the number of held bytes down: there is a rate and no time left.
func TestPaceWhereWorkIsLost(t *testing.T) {
	c := begin(t)
	var p pace
	p.view("push", c.sum, c.now)
	c.pass(time.Second, 10e6)
	p.view("push", c.sum, c.now)
	c.pass(time.Second, 10e6)
	c.sum.Held = 0
	if v := p.view("push", c.sum, c.now); v.Rate != 10e6 || v.Left != 0 || v.Stuck != 0 {
		t.Errorf("%+v", v)
	}
}

func TestPlainLinesBecomeSeldom(t *testing.T) {
	c := begin(t)
	var out bytes.Buffer
	m := c.meter(Plain)
	m.Lines = &out
	var at []int
	for s := 1; s <= 180; s++ {
		c.pass(time.Second, 1e5)
		before := out.Len()
		if m.step(); out.Len() > before {
			at = append(at, s)
		}
	}
	want := []int{5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 90, 120, 150, 180}
	if len(at) != len(want) {
		t.Errorf("lines after %v s, want %v", at, want)
	}
	if text := out.String(); strings.ContainsAny(text, "\r\x1b") || strings.Count(text, "\n") != len(want) ||
		!strings.HasPrefix(text, "fetch: 0%, 0 of 4 blobs, 500.0 kB of 100.0 MB, 100.0 kB/s, 16m35s left\n") {
		t.Errorf("%q", text)
	}
}

func TestPlainHasNoLineBeforeThePlan(t *testing.T) {
	c := begin(t)
	c.sum = tally.Sum{}
	var out bytes.Buffer
	m := c.meter(Plain)
	m.Lines = &out
	for range 20 {
		c.pass(time.Second, 0)
		m.step()
	}
	if out.Len() > 0 {
		t.Error(out.String())
	}
}

func TestJSONLines(t *testing.T) {
	c := begin(t)
	var out bytes.Buffer
	m := c.meter(JSON)
	m.Lines = &out
	m.step()
	c.pass(2*time.Second, 10e6)
	m.step()
	c.pass(4*time.Second, 0)
	m.step()
	c.pass(time.Second, 90e6)
	c.sum.Ready, c.sum.Images = 4, 0
	m.end()
	var all []map[string]any
	for d := json.NewDecoder(&out); d.More(); {
		var o map[string]any
		if err := d.Decode(&o); err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	if len(all) != 4 {
		t.Fatalf("%d objects", len(all))
	}
	for i, want := range []map[string]any{
		{"event": "progress", "command": "fetch", "heldBytes": 0., "totalBytes": 100e6, "secondsLeft": nil},
		{"time": "2026-01-02T03:04:07Z", "bytesPerSecond": 5e6, "secondsLeft": 18., "last": nil},
		{"bytesPerSecond": nil, "secondsLeft": nil, "secondsWaiting": 4.},
		{"heldBytes": 100e6, "transferredBytes": 100e6, "secondsLeft": nil, "last": true},
	} {
		for k, v := range want {
			if all[i][k] != v {
				t.Errorf("object %d: %s is %v, want %v", i, k, all[i][k], v)
			}
		}
	}
}

// A terminal that becomes narrower breaks the line that it shows. The next one erases that, even if it is the
// same.
func TestTheLineIsDrawnAgainAfterAResize(t *testing.T) {
	c := begin(t)
	var out bytes.Buffer
	m := c.meter(Bar)
	width := 80
	m.Screen, m.Width = NewScreen(&out), func() int { return width }
	m.step()
	out.Reset()
	if m.step(); out.Len() > 0 {
		t.Errorf("the same line is drawn again: %q", out.String())
	}
	width = 20
	if m.step(); !strings.HasPrefix(out.String(), "\r\x1b[J") || !strings.Contains(out.String(), "fetch  0%") {
		t.Errorf("%q", out.String())
	}
	out.Reset()
	if m.end(); out.String() != "\r\x1b[J\r" {
		t.Errorf("at the end: %q", out.String())
	}
}

func TestNothingIsShownBeforeAnythingIsKnown(t *testing.T) {
	c := begin(t)
	c.sum = tally.Sum{}
	var out bytes.Buffer
	m := c.meter(Bar)
	m.Screen, m.Width = NewScreen(&out), func() int { return 80 }
	m.step()
	c.pass(2*time.Second, 0)
	if m.step(); out.Len() > 0 {
		t.Errorf("%q", out.String())
	}
	c.pass(2*time.Second, 0)
	if m.step(); !strings.Contains(out.String(), "fetch  waiting 4s") {
		t.Errorf("%q", out.String())
	}
}

func TestStartAndStop(t *testing.T) {
	for _, style := range []Style{Bar, Plain, JSON, None} {
		c := begin(t)
		var out bytes.Buffer
		m := c.meter(style)
		m.Screen, m.Width, m.Lines = NewScreen(&out), func() int { return 80 }, &out
		m.Start()()
		if got := out.String(); (style == JSON) != strings.Contains(got, `"last":true`) {
			t.Errorf("%s: %q", style, got)
		}
	}
}
