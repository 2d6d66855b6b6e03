package registry

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// quotaPatience bounds the wait for an answer that nobody needs.
const quotaPatience = 5 * time.Second

// Quota is how many pulls a registry still grants, as Docker Hub says it.
type Quota struct {
	Limit     int
	Remaining int
	Window    time.Duration // in which Limit pulls are granted; 0: not said
	Source    string        // whose pulls are counted, an address or an account's number; empty: not said
}

// Quota asks what is left of the pulls that the registry grants. It costs no pull. The answer is nil if the
// registry does not say, as most do not, or cannot be asked.
func (r *Repository) Quota(ctx context.Context, target string) *Quota {
	ctx, cancel := context.WithTimeout(ctx, quotaPatience)
	defer cancel()
	var q *Quota
	_ = r.reading(ctx, isTag(target), func(from *place) error {
		req, err := from.request(ctx, http.MethodHead, "/manifests/"+target,
			http.StatusOK, http.StatusTooManyRequests)
		if err != nil {
			return err
		}
		req.tries = 1
		resp, err := from.host.answer(ctx, req)
		if err == nil {
			q = parseQuota(resp.Header)
		}
		return err
	})
	return q
}

func parseQuota(h http.Header) *Quota {
	limit, window, ok := parseLimit(h.Get("RateLimit-Limit"))
	remaining, _, known := parseLimit(h.Get("RateLimit-Remaining"))
	if !ok || !known {
		return nil
	}
	source := printable(h.Get("Docker-RateLimit-Source"), 100)
	return &Quota{Limit: limit, Remaining: remaining, Window: window, Source: source}
}

// parseLimit reads a number of pulls and the seconds that it is for: 100;w=21600.
func parseLimit(v string) (n int, window time.Duration, ok bool) {
	v, _, _ = strings.Cut(v, ",")
	number, params, _ := strings.Cut(v, ";")
	n, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || n < 0 {
		return 0, 0, false
	}
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if s, err := strconv.ParseInt(value, 10, 32); err == nil && s > 0 && strings.EqualFold(name, "w") {
			window = time.Duration(s) * time.Second
		}
	}
	return n, window, true
}
