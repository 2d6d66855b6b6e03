package upload_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drayage/internal/fakeregistry"
	"drayage/upload"
)

// Each image is told once, when it can be pulled or has failed, and not when all others are.
func TestFinishedIsToldAtOnce(t *testing.T) {
	onSite(t, func(s *site) {
		dir, root := s.layout(nested)
		var targets []upload.Target
		for _, name := range []string{"slow:1", "quick:1", "refused:1", "lost:1"} {
			target := s.to(name)
			target.Image = s.load(dir, root)
			targets = append(targets, target)
		}
		s.reg.On(fakeregistry.Match{Method: "PUT", Path: "/slow/manifests/1"}, fakeregistry.Delay(30*time.Second))
		s.reg.On(fakeregistry.Match{Method: "PUT", Path: "/refused/manifests/"}, fakeregistry.Status(403))
		s.reg.On(fakeregistry.Match{Path: "/lost/blobs/"}, fakeregistry.Status(403))
		began := time.Now()
		var lines []string
		opts := upload.Options{Finished: func(r upload.Result) {
			if ok, _ := s.reg.Tag(r.Target.Repository.Path(), "1"); r.Err == nil && ok.Digest != r.Descriptor.Digest {
				s.Errorf("%s is told before it is there", r.Target.Name())
			}
			after := int(time.Since(began).Seconds())
			lines = append(lines, fmt.Sprint(r.Target.Repository.Path(), " ", r.Err == nil, " ", after))
		}}
		s.push(opts, targets...)
		slices.Sort(lines)
		want := []string{"lost false 0", "quick true 0", "refused false 0", "slow true 30"}
		if diff := cmp.Diff(want, lines); diff != "" {
			s.Error(diff)
		}
	})
}

// What the end of the context leaves unfinished has not failed.
func TestEndOfContextIsNoFailure(t *testing.T) {
	onSite(t, func(s *site) {
		dir, root := s.layout(nested)
		target := s.to("slow:1")
		target.Image = s.load(dir, root)
		s.reg.On(fakeregistry.Match{Method: "PUT", Path: "/slow/manifests/1"}, fakeregistry.Delay(30*time.Second))
		ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
		defer cancel()
		opts := upload.Options{Finished: func(r upload.Result) { s.Errorf("told: %v", r.Err) }}
		results, err := upload.Push(ctx, []upload.Target{target}, opts)
		if !errors.Is(err, context.DeadlineExceeded) || results[0].Err == nil {
			s.Errorf("%v, %v", err, results)
		}
	})
}
