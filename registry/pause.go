package registry

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"drayage/internal/retry"
)

// pause holds back all requests to a host that has said it is busy: answering one worker's 429 while
// the others go on asking only prolongs it.
type pause struct {
	mu  sync.Mutex
	end time.Time
}

func (p *pause) until(t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.After(p.end) {
		p.end = t
	}
}

func (p *pause) wait(ctx context.Context) error {
	p.mu.Lock()
	d := time.Until(p.end)
	p.mu.Unlock()
	return retry.Sleep(ctx, d)
}

// retryAfter reads the header of that name, in seconds or as a date
// (https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3). What is past means now.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if s, err := strconv.ParseInt(v, 10, 64); err == nil {
		const most = 1 << 31
		return time.Duration(min(max(s, 0), most)) * time.Second, true
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(t.Sub(now), 0), true
	}
	return 0, false
}
