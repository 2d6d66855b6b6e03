package transfer

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// idling is a source that gives a chunk after a while. For a part of that the process has no processor.
type idling struct {
	link   *link
	wait   time.Duration
	absent time.Duration
	chunk  int
}

func (s idling) Read(p []byte) (int, error) {
	time.Sleep(s.wait)
	s.link.woke(time.Now().Add(-judgeEvery - s.absent))
	return copy(p, make([]byte, s.chunk)), nil
}

// A stream is not slow because the machine is short of processors.
func TestPaceWithoutProcessor(t *testing.T) {
	const chunk = 64 << 10
	for name, c := range map[string]struct {
		wait, absent time.Duration
		slow         bool
	}{
		"a slow source":             {5 * time.Millisecond, 0, true},
		"no processor":              {5 * time.Millisecond, 4 * time.Millisecond, false},
		"hardly a processor":        {60 * time.Millisecond, 59 * time.Millisecond, false},
		"a slow source and neither": {60 * time.Millisecond, 30 * time.Millisecond, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pace{link: &link{}}
				from := idling{p.link, c.wait, c.absent, chunk}
				p.ask()
				for range 101 {
					if _, err := p.gather(from, make([]byte, chunk)); err != nil {
						t.Fatal(err)
					}
				}
				if rate, known := p.rate(); !known || rate < fast != c.slow {
					t.Errorf("%.0f MB/s, known: %v", rate/1e6, known)
				}
			})
		})
	}
}

// A stream is not silent while the process has no processor, and is when it has.
func TestPaceSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace{link: &link{}}
		r, w := io.Pipe()
		defer w.Close()
		go io.Copy(w, bytes.NewReader(make([]byte, 1000)))
		p.ask()
		if _, err := io.ReadFull(reader{&p, r}, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		go p.Read(r, make([]byte, 1))
		time.Sleep(2 * window)
		p.link.woke(time.Now().Add(-judgeEvery - 2*window))
		if rate, known := p.rate(); known {
			t.Errorf("%.0f bytes a second while nobody could read", rate)
		}
		time.Sleep(2 * window)
		if rate, known := p.rate(); !known || rate != 0 {
			t.Errorf("%.0f bytes a second of a silent stream, known: %v", rate, known)
		}
	})
}

type reader struct {
	*pace
	from io.Reader
}

func (r reader) Read(b []byte) (int, error) { return r.pace.Read(r.from, b) }
