package registry

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drayage/internal/fakeregistry"
)

func TestQuota(t *testing.T) {
	header := func(limit, remaining string) []string {
		return []string{"RateLimit-Limit", limit, "RateLimit-Remaining", remaining, "Docker-RateLimit-Source",
			"203.0.113.7"}
	}
	for name, tc := range map[string]struct {
		header []string
		want   *Quota
	}{
		"Docker Hub":  {header("100;w=21600", "76;w=21600"), &Quota{100, 76, 6 * time.Hour, "203.0.113.7"}},
		"no window":   {header("100", "0"), &Quota{100, 0, 0, "203.0.113.7"}},
		"with blanks": {header(" 100 ; w=60 ", "5; w=60"), &Quota{100, 5, time.Minute, "203.0.113.7"}},
		"a list":      {header("10, 10;w=1", "9"), &Quota{10, 9, 0, "203.0.113.7"}},
		"bad window":  {header("100;w=-1;w=x;w=99999999999", "5"), &Quota{100, 5, 0, "203.0.113.7"}},
		"no numbers":  {header("many", "some"), nil},
		"negative":    {header("-1", "5"), nil},
		"one missing": {header("100", ""), nil},
		"escape codes": {append(header("1", "1")[:4], "Docker-RateLimit-Source", "\x9b31mred"),
			&Quota{1, 1, 0, "�31mred"}},
		"none": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.reg.PutImage("app", "1", oneLayer)
				w.reg.On(fakeregistry.Match{Path: "/manifests/"}, fakeregistry.Header(tc.header...))
				if diff := cmp.Diff(tc.want, w.repo("app").Quota(w.Context(), "1")); diff != "" {
					w.Error(diff)
				}
				if n := len(w.reg.Requests("GET", "")); n > 0 {
					w.Errorf("%d GET requests: they cost a pull", n)
				}
			})
		})
	}
}

// The quota is only nice to have: nothing that is wrong with it takes long or is an error.
func TestQuotaOfARegistryInTrouble(t *testing.T) {
	spent := fakeregistry.Status(429, "RateLimit-Limit", "100;w=21600", "RateLimit-Remaining", "0;w=21600",
		"Retry-After", "3600")
	for name, tc := range map[string]struct {
		fault fakeregistry.Fault
		want  *Quota
	}{
		"spent":     {spent, &Quota{Limit: 100, Window: 6 * time.Hour}},
		"broken":    {fakeregistry.Status(500), nil},
		"forbidden": {fakeregistry.Status(403), nil},
		"silent":    {fakeregistry.Delay(time.Hour), nil},
		"gone":      {fakeregistry.CutBody(0), nil},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.reg.On(fakeregistry.Match{Method: http.MethodHead, Path: "/manifests/"}, tc.fault)
				began := time.Now() // on the bubble's clock
				if diff := cmp.Diff(tc.want, w.repo("app").Quota(w.Context(), "1")); diff != "" {
					w.Error(diff)
				}
				if took := time.Since(began); took > quotaPatience {
					w.Errorf("took %s", took)
				}
			})
		})
	}
}
