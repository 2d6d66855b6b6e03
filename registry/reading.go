package registry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"drayage/image"
)

// attempt is what came of asking one place.
type attempt struct {
	at  *place
	err error
}

// reading does f with the places to read from, in their order, until one can serve it. As long as another
// place is left, a place is tried once. If none can serve it, those that may do so later are given time.
func (r *Repository) reading(ctx context.Context, byTag bool, f func(context.Context, *place) error) error {
	places := r.able(byTag)
	switch {
	case len(places) == 0 && r.own.noRead != nil:
		return r.own.noRead
	case len(places) == 0:
		return fmt.Errorf("no endpoint of %s is configured for reading", r.own.registry)
	case len(places) == 1:
		return f(ctx, places[0])
	}
	tried, done := r.each(withOneTry(ctx), places, f)
	if again := worthwhile(tried); !done && len(again) > 0 {
		var more []attempt
		more, done = r.each(ctx, again, f)
		tried = append(tried, more...)
	}
	last := tried[len(tried)-1]
	if !done {
		last = slices.MaxFunc(tried, func(a, b attempt) int { // the registry's own word counts most
			return slices.Index(r.readers, a.at) - slices.Index(r.readers, b.at)
		})
	}
	return last.err
}

// each does f with one place after the other until the last answer stands.
func (r *Repository) each(
	ctx context.Context, places []*place, f func(context.Context, *place) error,
) (tried []attempt, done bool) {
	for i, from := range places {
		if i > 0 {
			before := tried[i-1]
			g := &GivenUp{before.at.host.at.Host, from.host.at.Host, r.Name(), before.err}
			from.host.client.once(g.key(), g)
		}
		wasDown := from.host.down()
		err := f(ctx, from)
		tried = append(tried, attempt{from, err})
		switch {
		case final(ctx, err):
			if wasDown {
				from.host.downUntil.Store(0)
			}
			return tried, true
		case errors.Is(err, ErrUnavailable):
			from.host.leave(err)
		}
	}
	return tried, false
}

// worthwhile are the places that may serve later. Those that answer come before those that cannot be reached.
func worthwhile(tried []attempt) (places []*place) {
	var unreached []*place
	for _, a := range tried {
		var refused *Error
		switch {
		case errors.As(a.err, &refused):
			if refused.passing() && refused.Wait == 0 {
				places = append(places, a.at)
			}
		case errors.Is(a.err, ErrUnavailable):
			unreached = append(unreached, a.at)
		}
	}
	return append(places, unreached...)
}

// able lists the places that may be read from. Those that are down come last.
func (r *Repository) able(byTag bool) []*place {
	var up, down []*place
	for _, from := range r.readers {
		switch {
		case byTag && !from.tags, !byTag && !from.digests:
		case from.host.down():
			down = append(down, from)
		default:
			up = append(up, from)
		}
	}
	return append(up, down...)
}

// final reports whether a place's answer stands, so that no other place is asked. A place that has a blob
// but gives out no ranges of it is asked for the whole, unless access may be what it refuses.
func final(ctx context.Context, err error) bool {
	return err == nil || ctx.Err() != nil || errors.Is(err, image.ErrNoRanges) && !errors.Is(err, ErrDenied)
}

// leave makes other hosts be asked before h from now on: for as long as h has asked for, or until h serves
// when all others fail.
func (h *host) leave(err error) {
	until := int64(math.MaxInt64)
	var refused *Error
	if errors.As(err, &refused) && refused.after > 0 {
		until = time.Now().Add(refused.after).UnixNano()
	}
	h.downUntil.Store(until)
}

func (h *host) down() bool { return time.Now().UnixNano() < h.downUntil.Load() }
