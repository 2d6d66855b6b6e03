package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drayage/fetch"
	"drayage/internal/fakeregistry"
	"drayage/registry"
)

// told is what Finished was told: the image, and after how many seconds.
type told struct {
	began time.Time
	lines []string
	all   []fetch.Result
}

func (l *told) finished(r fetch.Result) {
	l.all = append(l.all, r)
	what := "complete"
	if r.Err != nil {
		what = "failed"
	}
	after := int(time.Since(l.began).Seconds())
	line := fmt.Sprintf("%s:%s %s after %d", r.Reference.Repository, r.Reference.Tag, what, after)
	l.lines = append(l.lines, line)
}

// slow makes a layer take a minute.
func (s *site) slow(l fakeregistry.Layer) {
	s.reg.On(fakeregistry.Match{Path: "/blobs/" + digestOf(l)}, fakeregistry.Delay(time.Minute-time.Second))
}

// Each image is told when it is complete or has failed, not when all others are.
func TestFinishedIsToldAtOnce(t *testing.T) {
	onSite(t, func(s *site) {
		slow, lost := layer(1, 1000), layer(2, 1000)
		s.client.StallTimeout = time.Hour
		s.reg.PutImage("slow", "1", imageOf(here, slow))
		s.reg.PutImage("quick", "1", imageOf(here, layer(3, 1000)))
		s.reg.PutImage("lost", "1", imageOf(here, lost))
		s.slow(slow)
		s.reg.On(fakeregistry.Match{Path: "/blobs/" + digestOf(lost)}, fakeregistry.Status(404))
		l := told{began: time.Now()}
		results := s.fetch(fetch.Options{Finished: l.finished}, "absent:1", "slow:1", "quick:1", "lost:1")
		slices.Sort(l.lines[:len(l.lines)-1])
		want := []string{"absent:1 failed after 0", "lost:1 failed after 0", "quick:1 complete after 0",
			"slow:1 complete after 59"}
		if diff := cmp.Diff(want, l.lines); diff != "" {
			s.Error(diff)
		}
		for _, r := range l.all {
			i := slices.IndexFunc(results, func(o fetch.Result) bool { return o.Reference == r.Reference })
			if results[i].Err != r.Err || r.Err == nil && r.Image.Platforms[0].OS != "linux" {
				s.Errorf("told %+v, result %+v", r, results[i])
			}
		}
	})
}

// Resolve tells of what fails, and Into of the rest: each image is told once, of both together.
func TestResolveAndIntoTellOnce(t *testing.T) {
	onSite(t, func(s *site) {
		s.reg.PutImage("good", "1", imageOf(here, layer(1, 1000)))
		l := told{began: time.Now()}
		opts := fetch.Options{Finished: l.finished}
		resolved := fetch.Resolve(s.Context(), s.client, s.refs("absent:1", "good:1"), opts)
		if diff := cmp.Diff([]string{"absent:1 failed after 0"}, l.lines); diff != "" {
			s.Error(diff)
		}
		if _, err := fetch.Into(s.Context(), resolved, s.dir, opts); err != nil {
			s.Fatal(err)
		}
		if diff := cmp.Diff([]string{"absent:1 failed after 0", "good:1 complete after 0"}, l.lines); diff != "" {
			s.Error(diff)
		}
	})
}

// What the end of the context leaves unfinished has not failed.
func TestEndOfContextIsNoFailure(t *testing.T) {
	onSite(t, func(s *site) {
		slow := layer(1, 1000)
		s.client.StallTimeout = time.Hour
		s.reg.PutImage("slow", "1", imageOf(here, slow))
		s.reg.PutImage("quick", "1", imageOf(here, layer(2, 1000)))
		s.slow(slow)
		l := told{began: time.Now()}
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		refs := s.refs("slow:1", "absent:1", "quick:1")
		results, err := fetch.Images(ctx, s.client, refs, s.dir, fetch.Options{Finished: l.finished})
		if !errors.Is(err, context.DeadlineExceeded) || results[0].Err == nil ||
			!errors.Is(results[1].Err, registry.ErrNotFound) || results[2].Err != nil {
			s.Errorf("%v: %v", err, results)
		}
		want := []string{"absent:1 failed after 0", "quick:1 complete after 0"}
		if diff := cmp.Diff(want, l.lines); diff != "" {
			s.Error(diff)
		}
	})
}

// Two images for one name are told when that is known.
func TestTwinsAreTold(t *testing.T) {
	onSite(t, func(s *site) {
		first := s.reg.PutImage("app", "1", imageOf(here, layer(1, 1000)))
		second := s.reg.PutImage("app", "2", imageOf(here, layer(2, 1000)))
		l := told{began: time.Now()}
		s.fetch(fetch.Options{Finished: l.finished},
			"app:1@"+first.Digest.String(), "app:1@"+second.Digest.String())
		want := []string{"app:1 failed after 0", "app:1 complete after 0"}
		if diff := cmp.Diff(want, l.lines); diff != "" {
			s.Error(diff)
		}
	})
}
