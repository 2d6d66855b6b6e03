package dockerauth

import (
	"context"
	"sync"
	"time"
)

// helperTrust is how long the answer of a helper is used. Some give passwords that are good for an hour, which a
// long transfer outlives.
const helperTrust = 5 * time.Minute

// helperCache asks each helper once for each registry: some take seconds, some ask their user. The zero value is
// empty.
type helperCache struct {
	mu      sync.Mutex
	answers map[question]*helperAnswer
	now     func() time.Time // nil means time.Now
}

type question struct{ helper, file, registry string }

type helperAnswer struct {
	busy  chan struct{} // holds one value while somebody asks
	asked time.Time
	cred  Credential
	err   error
}

func (hc *helperCache) get(ctx context.Context, h helper, registry string) (Credential, error) {
	a := hc.answer(question{h.name, h.file, normalize(registry)})
	select {
	case a.busy <- struct{}{}:
		defer func() { <-a.busy }()
	case <-ctx.Done():
		return Credential{}, context.Cause(ctx)
	}
	if now := hc.time(); a.asked.IsZero() || now.Sub(a.asked) > helperTrust {
		cred, err := h.get(ctx, registry)
		if ctx.Err() != nil {
			return cred, err
		}
		a.cred, a.err, a.asked = cred, err, now
	}
	return a.cred, a.err
}

func (hc *helperCache) answer(q question) *helperAnswer {
	hc.mu.Lock()
	defer hc.mu.Unlock()
	if hc.answers == nil {
		hc.answers = map[question]*helperAnswer{}
	}
	if hc.answers[q] == nil {
		hc.answers[q] = &helperAnswer{busy: make(chan struct{}, 1)}
	}
	return hc.answers[q]
}

func (hc *helperCache) time() time.Time {
	if hc.now != nil {
		return hc.now()
	}
	return time.Now()
}
