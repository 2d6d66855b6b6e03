package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/layout"
	"drayage/registry"
)

// slowIndex is a layout whose index.json takes a time for each entry in it.
type slowIndex struct {
	entries, written int
	busy             time.Duration
}

func (s *slowIndex) Enter(_ context.Context, entries []layout.Entry) ([]v1.Descriptor, error) {
	s.entries += len(entries)
	s.written += s.entries
	took := time.Duration(s.entries) * time.Microsecond
	s.busy += took
	time.Sleep(took)
	return make([]v1.Descriptor, len(entries)), nil
}

func (s *slowIndex) Push(context.Context, v1.Descriptor, image.Source, func(int64)) error { return nil }

func (s *slowIndex) Open(context.Context, v1.Descriptor, int64, int64) (io.ReadCloser, error) {
	return nil, errors.New("nobody reads it")
}

// Wild case 32: index.json is written as a whole each time. That must not cost more for each image the more
// images there are.
func TestWild32NamingStaysCheap(t *testing.T) {
	for _, images := range []int{1, 100, 10_000} {
		synctest.Test(t, func(t *testing.T) {
			dst := &slowIndex{}
			c := newCommitter(t.Context(), dst, images, Options{})
			begun := time.Now()
			for i := range images {
				time.Sleep(100 * time.Microsecond)
				name := fmt.Sprintf("app%d", i)
				ref := registry.Reference{Registry: "registry.test", Repository: name, Tag: "1"}
				im := &Image{Image: image.Image{Graph: &image.Graph{}}, Reference: ref}
				c.add(t.Context(), &Result{Reference: ref, Image: im}, nil)
			}
			c.close()
			if dst.entries != images {
				t.Errorf("%d of %d images have been named", dst.entries, images)
			}
			if most := time.Since(begun)/pauses + time.Duration(images)*time.Microsecond; dst.busy > most {
				t.Errorf("%d images: naming took %s", images, dst.busy)
			}
			if dst.written > 20*images {
				t.Errorf("%d images: %d entries were written", images, dst.written)
			}
		})
	}
}

func (s *slowIndex) Missing([]layout.Entry) ([]int, error) { return nil, nil }

// overwritten is a layout in which another tool overwrites index.json as often as it is told.
type overwritten struct {
	slowIndex
	times, entered int
}

func (o *overwritten) Missing(entries []layout.Entry) (all []int, _ error) {
	if o.times--; o.times >= 0 {
		all = append(all, len(entries)-1)
	}
	return all, nil
}

func (o *overwritten) Enter(_ context.Context, entries []layout.Entry) ([]v1.Descriptor, error) {
	o.entered += len(entries)
	return make([]v1.Descriptor, len(entries)), nil
}

// A tool that had read index.json before us may write it after us. Our names are entered again then, and
// whoever goes on doing it is told of.
func TestNamesAreEnteredAgain(t *testing.T) {
	for times, fails := range map[int]bool{0: false, 1: false, 4: false, 5: true} {
		synctest.Test(t, func(t *testing.T) {
			dst := &overwritten{times: times}
			var images []*Result
			for i := range 2 {
				ref := registry.Reference{Registry: "registry.test", Repository: fmt.Sprint("app", i), Tag: "1"}
				im := &Image{Image: image.Image{Graph: &image.Graph{}}, Reference: ref}
				images = append(images, &Result{Reference: ref, Image: im})
			}
			c := newCommitter(t.Context(), dst, 0, Options{})
			c.close()
			c.recheck(t.Context(), images)
			if images[0].Err != nil || (images[1].Err != nil) != fails || dst.entered != times {
				t.Errorf("%d times: %v, %v, entered %d", times, images[0].Err, images[1].Err, dst.entered)
			}
		})
	}
}
