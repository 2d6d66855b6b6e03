package registry

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"drayage/internal/fakeregistry"
)

func TestParseWait(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"0": 0, "1": time.Second, " 120 ": 2 * time.Minute, "-5": 0, "1.5": 1500 * time.Millisecond,
		"30s":                              30 * time.Second,
		"Sat, 21 Nov 2026 12:00:30 GMT":    30 * time.Second,
		"Saturday, 21-Nov-26 12:00:30 GMT": 30 * time.Second,
		"Sat Nov 21 12:00:30 2026":         30 * time.Second,
		"Sat, 21 Nov 2026 11:00:00 GMT":    0,
		"2026-11-21T12:00:30Z":             30 * time.Second,
		"1746136938":                       0,
		fmt.Sprint(now.Unix() + 40):        40 * time.Second,
		fmt.Sprint(now.UnixMilli() + 1700): 1700 * time.Millisecond,
	} {
		if got, ok := parseWait(in, now); !ok || got != want {
			t.Errorf("%q: %s %v, want %s", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "soon", "1h", "Sat, 99 Nov 2026 12:00:30 GMT"} {
		if got, ok := parseWait(in, now); ok {
			t.Errorf("%q is read as %s", in, got)
		}
	}
	for _, in := range []string{"999999999", "99999999999999999999", "NaN", "Inf",
		"Fri, 31 Dec 9999 23:59:59 GMT"} {
		if got, _ := parseWait(in, now); got <= maxBelieved {
			t.Errorf("%q is believed: %s", in, got)
		}
	}
}

func FuzzParseWait(f *testing.F) {
	f.Add("120")
	f.Add("1746136938")
	f.Add("Sat, 21 Nov 2026 12:00:30 GMT")
	f.Fuzz(func(t *testing.T, in string) {
		if got, ok := parseWait(in, time.Now()); got < 0 || !ok && got != 0 {
			t.Errorf("%q is read as %s, %v", in, got, ok)
		}
	})
}

// A wait that no registry can mean is neither kept nor told.
func TestWild48AbsurdWait(t *testing.T) {
	for _, value := range []string{
		"1746136938", "1746136938000", "999999999", "86401", "9999999999", "99999999999999999999", "NaN",
		"Fri, 31 Dec 9999 23:59:59 GMT",
	} {
		for _, status := range []int{429, 503, 520} {
			t.Run(fmt.Sprint(status, " ", value), func(t *testing.T) {
				inBubble(t, func(w *world) {
					w.reg.PutImage("app", "1", oneLayer)
					w.reg.On(fakeregistry.Match{Count: 2}, fakeregistry.Status(status, "Retry-After", value))
					began := time.Now()
					if err := w.resolve("app"); err != nil || time.Since(began) > 3*time.Second {
						w.Errorf("after %s: %v", time.Since(began), err)
					}
					w.reg.On(fakeregistry.Match{}, fakeregistry.Status(status, "Retry-After", value))
					if err := w.resolve("app"); !errors.Is(err, ErrUnavailable) || strings.Contains(err.Error(), "wait") {
						w.Error(err)
					}
					if told := w.told(); len(told) > 0 {
						w.Errorf("the user was told %q", told)
					}
				})
			})
		}
	}
}

func TestWild48PointInTime(t *testing.T) {
	for name, skew := range map[string]time.Duration{"right": 0, "slow": -5 * time.Hour, "fast": 5 * time.Hour} {
		t.Run("clock "+name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				time.Sleep(30 * 365 * 24 * time.Hour) // until numbers of seconds are as large as today
				w.reg.PutImage("app", "1", oneLayer)
				w.reg.On(fakeregistry.Match{Count: 1}, func(http.Handler) http.Handler {
					theirs := time.Now().Add(skew)
					return fakeregistry.Status(429, "Retry-After", fmt.Sprint(theirs.Unix()+40), "Date",
						theirs.UTC().Format(http.TimeFormat))(nil)
				})
				began := time.Now()
				if err := w.resolve("app"); err != nil || time.Since(began) < 39*time.Second ||
					time.Since(began) > 41*time.Second {
					w.Errorf("after %s: %v", time.Since(began), err)
				}
			})
		})
	}
}

// What may pass is judged from status, code and headers together.
func TestWild49WhatMayPass(t *testing.T) {
	body := func(code, message string) string {
		return fmt.Sprintf(`{"errors":[{"code":%q,"message":%q}]}`, code, message)
	}
	for name, c := range map[string]struct {
		fault   fakeregistry.Fault
		passing bool
		kind    error
	}{
		"400 with the code of a rate limit": {fakeregistry.Answer(400, body("TOOMANYREQUESTS", "")), true,
			ErrUnavailable},
		"401 with the code of a rate limit": {fakeregistry.Answer(401, body("TOOMANYREQUESTS", "")), true,
			ErrUnavailable},
		"403 with the code of a rate limit": {fakeregistry.Answer(403, body("too_many_requests", "")), true,
			ErrUnavailable},
		"403 with the words of one": {fakeregistry.Answer(403, body("DENIED",
			"You have exceeded a secondary rate limit")), true, ErrUnavailable},
		"403 with Retry-After": {fakeregistry.Status(403, "Retry-After", "1"), true, ErrUnavailable},
		"400 of a cloud":       {fakeregistry.Answer(400, `{"code":"ThrottlingException"}`), true, ErrUnavailable},
		"400 with UNAVAILABLE": {fakeregistry.Answer(400, body("UNAVAILABLE", "")), true, ErrUnavailable},
		"400 of an object store": {fakeregistry.Answer(400,
			"<?xml version=\"1.0\"?><Error><Code>RequestTimeout</Code>"), true, ErrUnavailable},
		"404 with Retry-After":     {fakeregistry.Status(404, "Retry-After", "1"), true, ErrNotFound},
		"500 with an unknown code": {fakeregistry.Answer(500, body("UNKNOWN", "")), true, ErrUnavailable},
		"400":                      {fakeregistry.Answer(400, body("NAME_INVALID", "")), false, nil},
		"403":                      {fakeregistry.Answer(403, body("DENIED", "")), false, ErrDenied},
		"404":                      {fakeregistry.Answer(404, body("MANIFEST_UNKNOWN", "")), false, ErrNotFound},
		"501":                      {fakeregistry.Answer(501, body("UNSUPPORTED", "")), false, ErrUnavailable},
		"403 with a pull limit": {fakeregistry.Answer(403, body("DENIED",
			"You have reached your pull rate limit")), false, ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.reg.PutImage("app", "1", oneLayer)
				w.reg.On(fakeregistry.Match{Count: 2}, c.fault)
				if err := w.resolve("app"); (err == nil) != c.passing {
					w.Error(err)
				}
				w.reg.On(fakeregistry.Match{}, c.fault)
				err := w.resolve("app")
				for _, kind := range []error{ErrNotFound, ErrDenied, ErrUnavailable} {
					if errors.Is(err, kind) != (kind == c.kind) {
						w.Errorf("%v is %v", err, kind)
					}
				}
			})
		})
	}
}
