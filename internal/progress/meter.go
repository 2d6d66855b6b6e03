package progress

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"drayage/internal/tally"
)

const (
	drawEvery   = 200 * time.Millisecond
	sampleEvery = time.Second
	// Lines of text come more seldom when it takes long: whoever reads them has to scroll.
	oftenEvery, seldomEvery = 5 * time.Second, 30 * time.Second
	oftenFor                = time.Minute
)

// Meter shows how far a command is, until it is stopped.
type Meter struct {
	Verb   string
	Style  Style
	Sum    func() tally.Sum
	Screen *Screen    // for Bar
	Width  func() int // of the screen, which may change
	Lines  io.Writer  // for Plain and JSON
	Now    func() time.Time

	pace  pace
	began time.Time
	next  time.Time // when the next line of text comes
	width int       // of what was drawn last
}

// Start begins to show progress, from a goroutine of its own. The caller calls stop, once.
func (m *Meter) Start() (stop func()) {
	every := sampleEvery
	switch m.Style {
	case Bar:
		every = drawEvery
	case Plain, JSON:
	default:
		return func() {}
	}
	stopping, stopped := make(chan struct{}), make(chan struct{})
	m.begin()
	go func() {
		defer close(stopped)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-stopping:
				m.end()
				return
			case <-tick.C:
				m.step()
			}
		}
	}()
	return func() {
		close(stopping)
		<-stopped
	}
}

func (m *Meter) begin() {
	if m.Now == nil {
		m.Now = time.Now
	}
	m.began = m.Now()
	m.next = m.began.Add(oftenEvery)
}

// step shows how far the command is now.
func (m *Meter) step() {
	now := m.Now()
	v := m.pace.view(m.Verb, m.Sum(), now)
	switch m.Style {
	case Bar:
		m.draw(v)
	case JSON:
		m.object(v, false)
	case Plain:
		if v.Blobs > 0 && !now.Before(m.next) {
			fmt.Fprintln(m.Lines, v.Text())
			m.next = now.Add(oftenEvery)
			if now.Sub(m.began) >= oftenFor {
				m.next = now.Add(seldomEvery)
			}
		}
	}
}

// draw leaves the last column free: terminals differ about a line that fills it.
func (m *Meter) draw(v View) {
	width := m.Width()
	if width != m.width {
		m.Screen.Show("") // the terminal may have broken the line
	}
	m.width = width
	if v.Blobs > 0 || v.Stuck > 0 {
		m.Screen.Show(v.Line(width - 1))
	}
}

func (m *Meter) end() {
	switch m.Style {
	case Bar:
		m.Screen.Show("")
	case JSON:
		m.object(m.pace.view(m.Verb, m.Sum(), m.Now()), true)
	}
}

// object is the JSON of a View. docs/commands.md explains the fields.
type object struct {
	Time    time.Time `json:"time"`
	Event   string    `json:"event"`
	Verb    string    `json:"command"`
	Held    int64     `json:"heldBytes"`
	Total   int64     `json:"totalBytes"`
	Present int64     `json:"presentBytes"`
	Moved   int64     `json:"transferredBytes"`
	Ready   int       `json:"readyBlobCount"`
	Blobs   int       `json:"blobCount"`
	Rate    int64     `json:"bytesPerSecond,omitempty"`
	Left    int64     `json:"secondsLeft,omitempty"`
	Stuck   int64     `json:"secondsWaiting,omitempty"`
	Image   string    `json:"image,omitempty"`
	Images  int       `json:"leftImageCount"`
	Last    bool      `json:"last,omitempty"`
}

func (m *Meter) object(v View, last bool) {
	o := object{
		Time: m.Now().UTC().Truncate(time.Millisecond), Event: "progress", Verb: v.Verb,
		Held: v.Held, Total: v.Total, Present: v.Present,
		Moved: v.Transferred(), Ready: v.Ready, Blobs: v.Blobs, Rate: int64(v.Rate),
		Stuck: int64(v.Stuck.Seconds()), Image: v.Image, Images: v.Images, Last: last,
	}
	if v.Left > 0 {
		o.Left = max(int64(v.Left.Round(time.Second).Seconds()), 1)
	}
	if line, err := json.Marshal(o); err == nil {
		fmt.Fprintf(m.Lines, "%s\n", line)
	}
}
