package front_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"drayage/internal/front"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start serves h until the test ends, and returns the address of it and what ends it before.
func start(t *testing.T, o front.Options, h http.Handler) (f *front.Front, stop func() error) {
	t.Helper()
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	f, err := front.Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Serve(ctx, front.Site{Registry: h}) }()
	stop = func() error {
		cancel()
		err, ok := <-ended
		if ok {
			close(ended)
		}
		return err
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return f, stop
}

func hello(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }

func TestServe(t *testing.T) {
	f, _ := start(t, front.Options{}, http.HandlerFunc(hello))
	resp, err := http.Get(f.URL() + "/v2/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, _ := io.ReadAll(resp.Body); string(got) != "hello" {
		t.Errorf("%s %q", resp.Status, got)
	}
}

func TestAddresses(t *testing.T) {
	taken, _ := start(t, front.Options{}, http.HandlerFunc(hello))
	for _, c := range []struct {
		addr string
		is   error
		says string
	}{
		{taken.Addr(), front.ErrInUse, "another program"},
		{":0", front.ErrExposed, ""},
		{"0.0.0.0:0", front.ErrExposed, ""},
		{"[::]:0", front.ErrExposed, ""},
		{"127.0.0.1", nil, "HOST:PORT"},
		{"::1:5000", nil, "[::1:5000]:5000"},
		{"http://127.0.0.1:5000", nil, "HOST:PORT"},
		{"127.0.0.1:", nil, "127.0.0.1:5000"},
		{"127.0.0.1:70000", front.ErrAddress, "65535"},
		{"203.0.113.1:0", nil, "203.0.113.1:0"}, // an address of documentation, which no machine has
	} {
		f, err := front.Listen(t.Context(), front.Options{Addr: c.addr})
		if err == nil {
			f.Close()
		}
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.addr, err)
		}
	}
}

func TestStop(t *testing.T) {
	for _, c := range []struct {
		name  string
		grace time.Duration
		whole bool
	}{{"a request ends", time.Minute, true}, {"a request is cut", time.Millisecond, false}} {
		t.Run(c.name, func(t *testing.T) {
			begun, stopping := make(chan struct{}), make(chan struct{})
			var warned atomic.Value
			o := front.Options{Grace: c.grace, Warn: func(text string) { warned.Store(text) }}
			f, stop := start(t, o, http.HandlerFunc(
				func(w http.ResponseWriter, r *http.Request) {
					w.(http.Flusher).Flush()
					close(begun)
					<-stopping
					if !c.whole {
						<-r.Context().Done()
					}
					io.WriteString(w, "end")
				}))
			got := make(chan string)
			go func() {
				resp, err := http.Get(f.URL() + "/v2/")
				if err != nil {
					got <- err.Error()
					return
				}
				defer resp.Body.Close()
				raw, _ := io.ReadAll(resp.Body)
				got <- string(raw)
			}()
			<-begun
			go close(stopping)
			if err := stop(); err != nil {
				t.Error(err)
			}
			if text := <-got; (text == "end") != c.whole {
				t.Errorf("%q", text)
			}
			cut := "requests that still ran 1ms after the signal to stop were cut: 1"
			if text := warned.Load(); (text == any(cut)) == c.whole || c.whole && text != nil {
				t.Errorf("warned: %v", text)
			}
		})
	}
}
