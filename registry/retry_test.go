package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"drayage/image"
	"drayage/internal/fakeregistry"
)

func TestRetriedStatuses(t *testing.T) {
	for status, retried := range map[int]bool{
		408: true, 421: true, 425: true, 429: true, 500: true, 502: true, 503: true, 504: true, 507: true,
		520: true, 521: true, 522: true, 523: true, 524: true, 530: true, 598: true,
		400: false, 402: false, 403: false, 404: false, 405: false, 410: false, 501: false, 505: false,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.reg.PutImage("app", "1", oneLayer)
				w.reg.On(fakeregistry.Match{Count: 2}, fakeregistry.Status(status))
				err := w.resolve("app")
				want := 1
				if retried {
					want = 3
				}
				if n := len(w.reg.Requests("", "")); n != want || (err == nil) != retried {
					w.Errorf("%d requests, %v", n, err)
				}
			})
		})
	}
}

func TestRetriesEnd(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.On(fakeregistry.Match{}, fakeregistry.Answer(503, "maintenance"))
		err := w.resolve("app")
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "maintenance") {
			w.Error(err)
		}
		if n := len(w.reg.Requests("", "")); n != maxTries {
			w.Errorf("%d requests, want %d", n, maxTries)
		}
	})
}

func TestRetryAfterIsObeyed(t *testing.T) {
	for name, tc := range map[string]struct {
		status    int
		header    func() string
		at, until time.Duration // when the second request may come
	}{
		"seconds":     {429, func() string { return "30" }, 30 * time.Second, 30 * time.Second},
		"unavailable": {503, func() string { return "30" }, 30 * time.Second, 30 * time.Second},
		"date": {429,
			func() string { return time.Now().UTC().Add(40 * time.Second).Format(http.TimeFormat) }, 40 * time.Second,
			40 * time.Second},
		"longest":     {429, func() string { return "180" }, 3 * time.Minute, 3 * time.Minute},
		"now":         {429, func() string { return "0" }, 0, time.Second},
		"in the past": {429, func() string { return "Sat, 01 Jan 1994 00:00:00 GMT" }, 0, time.Second},
		"garbage":     {429, func() string { return "later" }, time.Millisecond, time.Second},
		"with others": {500, func() string { return "30" }, 30 * time.Second, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.reg.PutImage("app", "1", oneLayer)
				w.reg.On(fakeregistry.Match{Count: 1}, func(http.Handler) http.Handler {
					return fakeregistry.Status(tc.status, "Retry-After", tc.header())(nil)
				})
				began := time.Now()
				if err := w.resolve("app"); err != nil {
					w.Fatal(err)
				}
				if took := time.Since(began); took < tc.at || took > tc.until {
					w.Errorf("took %s, want %s to %s", took, tc.at, tc.until)
				}
				if told := len(w.told()) > 0; told != (tc.at >= 2*time.Second) {
					w.Errorf("the user was told %q", w.told())
				}
			})
		})
	}
}

// A wait that is too long is told instead of slept through.
func TestRetryAfterTooLong(t *testing.T) {
	for _, value := range []string{"181", "21600", "86400"} {
		inBubble(t, func(w *world) {
			w.reg.On(fakeregistry.Match{}, fakeregistry.Answer(429,
				"toomanyrequests: You have reached your pull rate limit", "Retry-After", value))
			began := time.Now()
			err := w.resolve("app")
			var e *Error
			if !errors.As(err, &e) || e.Wait < 3*time.Minute || !strings.Contains(err.Error(),
				"asks to wait "+shortly(e.Wait)+")") {
				w.Errorf("%s: %v", value, err)
			}
			if n := len(w.reg.Requests("", "")); n != 1 || time.Since(began) != 0 || !errors.Is(err, ErrUnavailable) {
				w.Errorf("%s: %d requests, %s", value, n, time.Since(began))
			}
		})
	}
}

// Everybody waits when one has been asked to.
func TestRetryAfterPausesHost(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		w.reg.PutImage("other", "1", oneLayer)
		w.reg.On(fakeregistry.Match{Path: "/app/", Count: 1}, fakeregistry.Status(429, "Retry-After", "60"))
		began := time.Now()
		done := make(chan error)
		go func() { done <- w.resolve("app") }()
		synctest.Wait()
		if err := w.resolve("other"); err != nil || time.Since(began) < time.Minute {
			w.Errorf("the other came after %s, %v", time.Since(began), err)
		}
		if err := <-done; err != nil {
			w.Error(err)
		}
	})
}

func TestNetworkFailures(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		w.reg.On(fakeregistry.Match{Count: 3}, fakeregistry.CutBody(0))
		if err := w.resolve("app"); err != nil {
			w.Errorf("after three resets: %v", err)
		}
	})
	for name, tc := range map[string]struct {
		err   error
		dials int
		hint  string
	}{
		"unknown name": {&net.DNSError{Err: "no such host", Name: "registry.test", IsNotFound: true}, 1,
			"check the name"},
		"name server failed": {&net.DNSError{Err: "server misbehaving", Name: "registry.test", IsTemporary: true},
			maxTries, ""},
		"timeout": {&net.OpError{Op: "dial", Err: errors.New("i/o timeout")}, maxTries, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				dials := 0
				w.client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn,
					error) {
					dials++
					return nil, tc.err
				}
				err := w.resolve("app")
				var e *NetworkError
				if !errors.As(err, &e) || e.Host != "registry.test" || !strings.Contains(e.Hint, tc.hint) ||
					!errors.Is(err, ErrUnavailable) || dials != tc.dials {
					w.Errorf("%d dials, want %d: %v", dials, tc.dials, err)
				}
			})
		})
	}
}

// A server that accepts a request and never answers is given up and asked again.
func TestStallBeforeAnswer(t *testing.T) {
	inBubble(t, func(w *world) {
		w.client.StallTimeout = 10 * time.Second
		w.reg.PutImage("app", "1", oneLayer)
		w.reg.On(fakeregistry.Match{Count: 2}, fakeregistry.Delay(time.Hour))
		began := time.Now()
		if err := w.resolve("app"); err != nil {
			w.Error(err)
		}
		if took := time.Since(began); took < 20*time.Second || took > 25*time.Second {
			w.Errorf("took %s", took)
		}
	})
	inBubble(t, func(w *world) {
		w.reg.On(fakeregistry.Match{}, fakeregistry.Delay(time.Hour))
		if err := w.resolve("app"); !errors.Is(err, ErrUnavailable) ||
			!strings.Contains(err.Error(), errStalled.Error()) {
			w.Error(err)
		}
	})
}

// A connection on which a byte comes now and then is given up like one that is silent; what comes slowly
// but comes is read.
func TestTrickle(t *testing.T) {
	for _, tc := range []struct {
		name   string
		fault  fakeregistry.Fault
		ranges int // requests that it takes
	}{
		{"a byte a second", fakeregistry.Drip(1, time.Second), 2},
		{"fifty bytes a second", fakeregistry.Drip(50, time.Second), 1},
		{"a kilobyte every fifty seconds", fakeregistry.Drip(1024, 50*time.Second), 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				content := noise(10_000)
				d := w.reg.PutBlob("app", content)
				w.reg.On(fakeregistry.Match{Path: "/blobs/", Count: 1}, tc.fault)
				if p, err := image.ReadAll(w.Context(), w.repo("app"), d, 1<<20); err != nil || !bytes.Equal(p, content) {
					w.Fatalf("%d bytes, %v", len(p), err)
				}
				asked := w.reg.Requests("GET", "/blobs/")
				if len(asked) != tc.ranges {
					w.Errorf("%d requests, want %d", len(asked), tc.ranges)
				}
			})
		})
	}
}

// The end of the context ends every kind of wait at once, and is the error.
func TestCancelWhileWaiting(t *testing.T) {
	stop := errors.New("the user has had enough")
	for name, fault := range map[string]fakeregistry.Fault{
		"backoff":     fakeregistry.Status(500),
		"Retry-After": fakeregistry.Status(429, "Retry-After", "100"),
		"answer":      fakeregistry.Delay(time.Hour),
		"body":        fakeregistry.Stall(10),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.reg.PutImage("app", "1", oneLayer)
				w.reg.On(fakeregistry.Match{}, fault)
				ctx, cancel := context.WithCancelCause(w.Context())
				began := time.Now()
				time.AfterFunc(time.Millisecond, func() { cancel(stop) })
				_, _, err := w.repo("app").Resolve(ctx, "1")
				if !errors.Is(err, stop) || time.Since(began) != time.Millisecond {
					w.Errorf("after %s: %v", time.Since(began), err)
				}
			})
		})
	}
}

func TestWarnings(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		w.reg.On(fakeregistry.Match{Count: 2}, fakeregistry.Header("Warning",
			"299 - \"retention: images are deleted after\x09 30 days\""))
		w.reg.On(fakeregistry.Match{First: 3}, fakeregistry.Header("Warning", "199 - \"not for users\""))
		for range 3 {
			if err := w.resolve("app"); err != nil {
				w.Error(err)
			}
		}
		if diff := cmp.Diff([]string{"registry.test: retention: images are deleted after  30 days"},
			w.told()); diff != "" {
			w.Error(diff)
		}
	})
}

func TestUserAgent(t *testing.T) {
	for set, want := range map[string]string{"": "drayage", "me/1": "me/1"} {
		inBubble(t, func(w *world) {
			w.client.UserAgent = set
			w.reg.PutImage("app", "1", oneLayer)
			w.tokenServer(&fakeregistry.Tokens{})
			if err := w.resolve("app"); err != nil {
				w.Error(err)
			}
			for _, e := range w.reg.Requests("", "") {
				if got := e.Header.Get("User-Agent"); got != want {
					w.Errorf("%s says %q", e.Path, got)
				}
			}
		})
	}
}
