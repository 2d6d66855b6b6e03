package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"drayage/internal/retry"
)

func TestDelay(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name string
		n    int
		want time.Duration // a quarter of it may be missing
	}{
		{"first failure", 1, 500 * ms},
		{"no failure yet", 0, 500 * ms},
		{"second", 2, time.Second},
		{"sixth", 6, 16 * time.Second},
		{"bounded", 7, 30 * time.Second},
		{"still bounded", math.MaxInt, 30 * time.Second},
	} {
		least, most := c.want, time.Duration(0)
		for range 500 {
			d := retry.Delay(c.n)
			least, most = min(least, d), max(most, d)
		}
		if most > c.want || least < c.want-c.want/4 {
			t.Errorf("%s: between %v and %v, want within %v and %v", c.name, least, most, c.want-c.want/4, c.want)
		}
		if least == most {
			t.Errorf("%s: always %v: clients that failed together come back together", c.name, least)
		}
	}
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := retry.Sleep(t.Context(), time.Hour); err != nil || time.Since(began) != time.Hour {
			t.Errorf("slept %v: %v", time.Since(began), err)
		}
		reason := errors.New("the user has gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(reason) })
		began = time.Now()
		if err := retry.Sleep(ctx, time.Hour); err != reason || time.Since(began) != time.Minute {
			t.Errorf("slept %v: %v, want to be woken by the cause", time.Since(began), err)
		}
		for _, d := range []time.Duration{-1, 0, time.Nanosecond} {
			if err := retry.Sleep(ctx, d); err != reason {
				t.Errorf("Sleep(%d) after the end of ctx = %v, want its cause", d, err)
			}
		}
		if err := retry.Sleep(t.Context(), 0); err != nil {
			t.Errorf("Sleep(0) = %v", err)
		}
	})
}

func TestTransient(t *testing.T) {
	marked := retry.Transient(io.ErrUnexpectedEOF)
	for _, c := range []struct {
		err  error
		want bool
	}{
		{marked, true},
		{fmt.Errorf("blob: %w", marked), true},
		{errors.Join(errors.New("other"), marked), true},
		{fmt.Errorf("blob: %v", marked), false},
		{io.ErrUnexpectedEOF, false},
		{retry.Transient(nil), false},
		{nil, false},
	} {
		if retry.IsTransient(c.err) != c.want {
			t.Errorf("IsTransient(%v) = %v", c.err, !c.want)
		}
	}
	if !errors.Is(marked, io.ErrUnexpectedEOF) || marked.Error() != io.ErrUnexpectedEOF.Error() {
		t.Errorf("the mark hides the error: %v", marked)
	}
	if retry.Transient(nil) != nil {
		t.Error("a mark on no error makes one")
	}
}
