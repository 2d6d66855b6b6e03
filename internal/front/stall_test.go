package front

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"drayage/internal/pipenet"
)

// inBubble serves h on a network without sockets, in which hours pass at once, and calls try. The channel, on
// which the two can talk, is made there: others would keep time from passing.
func inBubble(t *testing.T, h func(w http.ResponseWriter, r *http.Request, done chan error),
	try func(t *testing.T, dial func() net.Conn, done chan error),
) {
	synctest.Test(t, func(t *testing.T) {
		var network pipenet.Net
		f := &Front{listener: network.Listen("here:80"), turns: make(chan struct{}, maxRequests)}
		f.telemetry.init(f)
		done := make(chan error, 1)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- f.Serve(ctx, Site{Registry: http.HandlerFunc(
				func(w http.ResponseWriter, r *http.Request) { h(w, r, done) })})
		}()
		try(t, func() net.Conn {
			c, err := network.DialContext(ctx, "tcp", "here:80")
			if err != nil {
				t.Fatal(err)
			}
			return c
		}, done)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// within fails the test unless what happened took between so much time.
func within(t *testing.T, begin time.Time, least, most time.Duration) {
	t.Helper()
	if d := time.Since(begin); d < least || d > most {
		t.Errorf("it took %s", d)
	}
}

// A client that takes nothing is cut off. One that takes little, but goes on, is not.
func TestReadersThatStall(t *testing.T) {
	big := make([]byte, 1<<20)
	handler := func(w http.ResponseWriter, r *http.Request, done chan error) {
		var err error
		for range 8 {
			if _, err = w.Write(big); err != nil {
				break
			}
		}
		done <- err
	}
	inBubble(t, handler, func(t *testing.T, dial func() net.Conn, done chan error) {
		c := dial()
		defer c.Close()
		begin := time.Now()
		io.WriteString(c, "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n")
		if err := <-done; err == nil {
			t.Error("it was served")
		}
		within(t, begin, stallTime*9/10, stallTime)
	})
	inBubble(t, handler, func(t *testing.T, dial func() net.Conn, done chan error) {
		c := dial()
		defer c.Close()
		begin := time.Now()
		go io.WriteString(c, "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReaderSize(c, 32<<10), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		for n, part := int64(0), int64(64<<10); n < 8<<20; n += part {
			time.Sleep(10 * time.Second)
			if _, err := io.CopyN(io.Discard, resp.Body, part); err != nil {
				t.Fatalf("after %d bytes and %s: %v", n, time.Since(begin), err)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		within(t, begin, 10*stallTime, time.Hour)
	})
}

// Who sends a request a byte now and then has ten seconds for its header, and no more for a body.
func TestWritersThatStall(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request, done chan error) { io.Copy(io.Discard, r.Body) }
	for name, request := range map[string]string{
		"nothing": "", "half a header": "GET /v2/ HTTP/1.1\r\nHost:",
		"a body": "POST /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, handler, func(t *testing.T, dial func() net.Conn, done chan error) {
				c := dial()
				defer c.Close()
				begin := time.Now()
				io.WriteString(c, request)
				io.Copy(io.Discard, c)
				within(t, begin, headerTime, headerTime+time.Second)
			})
		})
	}
}

// A connection without requests ends by itself.
func TestIdleConnections(t *testing.T) {
	idle := func(http.ResponseWriter, *http.Request, chan error) {}
	inBubble(t, idle, func(t *testing.T, dial func() net.Conn, done chan error) {
		c := dial()
		defer c.Close()
		go io.WriteString(c, "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n")
		begin := time.Now()
		io.Copy(io.Discard, c)
		within(t, begin, idleTime, idleTime+time.Second)
	})
}

// When as many requests run as may, others wait, and are sent away in the end.
func TestTooManyRequests(t *testing.T) {
	waits := func(_ http.ResponseWriter, _ *http.Request, done chan error) { <-done }
	inBubble(t, waits, func(t *testing.T, dial func() net.Conn, done chan error) {
		for range maxRequests {
			c := dial()
			defer c.Close()
			go io.WriteString(c, "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n")
		}
		synctest.Wait()
		c := dial()
		defer c.Close()
		begin := time.Now()
		go io.WriteString(c, "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Error(resp.Status, resp.Header)
		}
		within(t, begin, turnTime, turnTime+time.Second)
		close(done)
	})
}

// When as many wait as may, further ones are sent away at once: what waits takes memory.
func TestTooManyThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &Front{turns: make(chan struct{})}
		ended := make(chan bool)
		for range maxWaiting {
			go func() { ended <- f.takeTurn(t.Context()) }()
		}
		synctest.Wait()
		begin := time.Now()
		if f.takeTurn(t.Context()) {
			t.Error("it has its turn")
		}
		within(t, begin, 0, 0)
		for range maxWaiting {
			if <-ended {
				t.Error("one has its turn")
			}
		}
		within(t, begin, turnTime, turnTime)
		if n := f.waiting.Load(); n != 0 {
			t.Errorf("%d wait", n)
		}
	})
}
