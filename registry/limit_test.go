package registry

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// pair returns a limited connection and its other end.
func pair(t *testing.T, l *Limit) (limited, far net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	limited, err := l.Dial(func(context.Context, string, string) (net.Conn, error) {
		return near,
			nil
	})(t.Context(), "tcp", "anywhere")
	if err != nil {
		t.Fatal(err)
	}
	return limited, far
}

// The clock of the bubble is no wall clock: what passes on it is decided by the limit alone.
func TestLimitBoundsAllConnectionsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, size = 10_000, 50_000
		l := NewLimit(rate)
		up, upFar := pair(t, l)
		down, downFar := pair(t, l)
		began := time.Now()
		go func() { io.Copy(io.Discard, upFar) }()
		go func() { downFar.Write(make([]byte, size)); downFar.Close() }()
		sent := make(chan error)
		go func() {
			_, err := up.Write(make([]byte, size))
			sent <- err
		}()
		got, err := io.Copy(io.Discard, down)
		if err != nil || got != size {
			t.Errorf("read %d bytes, %v", got, err)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		up.Close()
		took := time.Since(began)
		if least := (2*size/rate)*time.Second - 2*time.Second/10; took < least || took > least+2*time.Second {
			t.Errorf("%d bytes at %d a second took %v", 2*size, rate, took)
		}
	})
}

func TestLimitLetsCloseThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, far := pair(t, NewLimit(1))
		go io.Copy(io.Discard, far)
		failed := make(chan error)
		go func() {
			_, err := conn.Write(make([]byte, 1000))
			failed <- err
		}()
		synctest.Wait()
		conn.Close()
		if err := <-failed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("a write that waits for its turn ends with %v", err)
		}
		far.Close()
	})
}

func TestNoLimit(t *testing.T) {
	refused := errors.New("refused")
	dial := func(context.Context, string, string) (net.Conn, error) { return nil, refused }
	for _, l := range []*Limit{nil, NewLimit(1)} {
		if _, err := l.Dial(dial)(t.Context(), "tcp", "anywhere"); err != refused {
			t.Errorf("a dial that fails: %v", err)
		}
	}
}
