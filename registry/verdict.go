package registry

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	// maxWait is the longest wait that a registry is granted. A pull limit of hours is better told to the user
	// than slept through.
	maxWait = 3 * time.Minute
	// tellPause is the shortest wait that is told as a pause. A shorter one is told as a retry.
	tellPause = 2 * time.Second
	// maxBelieved is the longest wait that a registry can mean. Windows of pull limits have hours.
	maxBelieved = 24 * time.Hour
	// firstInstant is where numbers in Retry-After begin to be points in time, in Unix seconds.
	firstInstant = 1_000_000_000
)

// Codes of errors as registries, clouds and object stores write them, in the form of plainCode. They may go
// on, as in ThrottlingException.
var (
	limitCodes = []string{"toomanyrequest", "ratelimit", "throttl", "requestlimit", "requestthrottl",
		"resourceexhausted", "slowdown"}
	passingCodes = []string{"unavailable", "serviceunavailable", "requesttimeout", "timeout", "internalerror",
		"internalservererror", "serverbusy", "operationtimedout", "deadlineexceeded"}
	absentCodes = []string{"manifestblobunknown", "blobunknown", "layersnotfound"}
	limitWords  = []string{"rate limit", "rate exceeded", "too many requests", "toomanyrequests"}
)

// plainCode is a code without what differs from registry to registry: case, divisions between words, and what
// AWS writes before a #.
func plainCode(code string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, code[strings.LastIndex(code, "#")+1:])
}

func begins(code string, with []string) bool {
	return slices.ContainsFunc(with, func(c string) bool { return strings.HasPrefix(plainCode(code), c) })
}

// RateLimited reports whether the registry refuses because it is asked too often. Not all of them say so
// by the status: some answer 400, 401 or 403.
func (e *Error) RateLimited() bool {
	switch {
	case e.Status == http.StatusTooManyRequests, begins(e.Code, limitCodes):
		return true
	case e.Status < 400 || e.Status >= 500:
		return false
	case e.Status == http.StatusForbidden && e.asked:
		return true
	}
	said := strings.ToLower(e.Message)
	for _, words := range limitWords {
		if strings.Contains(said, words) {
			return true
		}
	}
	return false
}

// pullLimit reports whether a rate limit is about a number of pulls in hours, which no short wait changes,
// and not about requests that come too fast.
func (e *Error) pullLimit() bool {
	return e.Quota != nil && e.Quota.Remaining == 0 ||
		strings.Contains(strings.ToLower(e.Message), "pull rate limit")
}

// passing reports whether the registry may answer the same request otherwise a moment later. It is the one
// judgement of that, by status, code and headers together.
func (e *Error) passing() bool {
	if e.RateLimited() {
		return e.asked || !e.pullLimit()
	}
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusMisdirectedRequest, http.StatusTooEarly:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	case http.StatusUnauthorized, http.StatusProxyAuthRequired, http.StatusRequestEntityTooLarge:
		return false // there are better answers to these than to wait
	}
	return e.Status >= 500 || e.asked && e.Status >= 400 || begins(e.Code, passingCodes)
}

// respond decides on the next try after e: whether there is one, and after what wait if the registry asks for
// one. All requests to the host wait then: if one worker waits and the others go on asking, the host stays
// busy. If there is another host to ask, nobody waits.
func (h *host) respond(ctx context.Context, e *Error) (time.Duration, bool) {
	switch {
	case !e.passing():
		return 0, false
	case e.after > maxWait:
		e.Wait = e.after
		return 0, false
	case e.after == 0 || hasOneTry(ctx):
		return 0, true
	case e.Status >= 500 || e.RateLimited():
		e.paused = h.pause.until(time.Now().Add(e.after)) && e.after >= tellPause
	}
	return e.after, true
}

// readWait keeps what the headers say of when to come back. What no registry can mean is not kept.
func (e *Error) readWait(h http.Header) {
	now := time.Now()
	if t, err := http.ParseTime(h.Get("Date")); err == nil && t.Sub(now).Abs() > time.Minute {
		now = t // our clock or theirs is wrong, and points in time are by theirs
	}
	names := []string{"Retry-After", "X-Retry-After"}
	if e.Status == http.StatusTooManyRequests {
		names = append(names, "RateLimit-Reset", "X-RateLimit-Reset")
	}
	for _, name := range names {
		if wait, ok := parseWait(h.Get(name), now); ok {
			e.asked, e.after = wait <= maxBelieved, wait
			break
		}
	}
	if !e.asked {
		e.after = 0
	}
}

// parseWait reads a wait: in seconds, as a date, or as a point in time in Unix seconds or milliseconds. What
// is in the past means now (https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3).
func parseWait(v string, now time.Time) (time.Duration, bool) {
	v = strings.TrimSpace(v)
	var at time.Time
	n, err := strconv.ParseFloat(strings.TrimSuffix(v, "s"), 64)
	switch {
	case err == nil && n < firstInstant:
		return time.Duration(max(n, 0) * float64(time.Second)), true
	case err == nil && n < 100*firstInstant:
		at = time.Unix(int64(n), 0)
	case err == nil && n < 1e17:
		at = time.UnixMilli(int64(n))
	case err == nil:
		return maxBelieved + 1, true
	default:
		if at, err = http.ParseTime(v); err != nil {
			at, err = time.Parse(time.RFC3339, v)
		}
		if err != nil {
			return 0, false
		}
	}
	return max(at.Sub(now), 0), true
}

type oneTryKey struct{}

// Impatient returns a context for questions whose answers are welcome and not needed: each request is sent
// once. A registry that answers one of them with a demand for quiet does not hold other requests back.
func Impatient(ctx context.Context) context.Context { return withOneTry(ctx) }

// withOneTry is for requests that are sent once, because another host can be asked instead.
func withOneTry(ctx context.Context) context.Context {
	return context.WithValue(ctx, oneTryKey{}, true)
}

func hasOneTry(ctx context.Context) bool { return ctx.Value(oneTryKey{}) != nil }
