package registry

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"drayage/internal/fakeregistry"
)

// A limit of pulls in hours is an error at once, which says what is left; requests that came too fast are
// sent again.
func TestPullLimit(t *testing.T) {
	for name, c := range map[string]struct {
		fault fakeregistry.Fault
		want  string // in the error; empty: the second try succeeds
	}{
		"by headers": {fakeregistry.Status(http.StatusTooManyRequests, "RateLimit-Limit", "100;w=21600",
			"RateLimit-Remaining", "0;w=21600"), "0 of 100 pulls left, counted over 6h0m0s"},
		"by words": {fakeregistry.Answer(http.StatusTooManyRequests,
			`{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}`),
			"pull rate limit"},
		"too fast": {fakeregistry.Status(http.StatusTooManyRequests), ""},
		"some left": {fakeregistry.Status(http.StatusTooManyRequests, "RateLimit-Limit", "100",
			"RateLimit-Remaining", "7"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.reg.PutImage("app", "1", fakeregistry.Image{})
				w.reg.On(fakeregistry.Match{Method: "GET", Path: "/manifests/", Count: 1}, c.fault)
				_, _, err := w.repo("app").Resolve(w.Context(), "1")
				asked := len(w.reg.Requests("GET", "/manifests/"))
				if c.want == "" {
					if err != nil || asked != 2 {
						w.Errorf("%v after %d requests", err, asked)
					}
					return
				}
				if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), c.want) || asked != 1 {
					w.Errorf("%v after %d requests", err, asked)
				}
			})
		})
	}
}
