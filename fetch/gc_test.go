package fetch_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"drayage/fetch"
	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/layout"
	"drayage/registry"
)

const writers = 8

// loopback is a registry that is really listening, and a layout.
type loopback struct {
	*testing.T
	reg  *fakeregistry.Registry
	host string
	path string
}

func newLoopback(t *testing.T) *loopback {
	l := &loopback{T: t, reg: fakeregistry.New(), path: filepath.Join(t.TempDir(), "layout")}
	server := httptest.NewServer(l.reg)
	t.Cleanup(server.Close)
	l.host = strings.TrimPrefix(server.URL, "http://")
	return l
}

// open opens the layout as a process of its own would.
func (l *loopback) open() *layout.Dir {
	d, err := layout.CreateDir(l.Context(), l.path)
	if err != nil {
		l.Error(err)
	}
	return d
}

// fetch brings an image with a client and a layout of its own.
func (l *loopback) fetch(name string, opts fetch.Options) {
	d := l.open()
	defer d.Close()
	client := &registry.Client{Transport: registry.NewTransport(nil), PlainHTTP: true}
	defer client.Close()
	ref, err := registry.ParseReference(l.host + "/" + name)
	if err != nil {
		l.Error(err)
		return
	}
	results, err := fetch.Images(l.Context(), client, []registry.Reference{ref}, d, opts)
	if err != nil || results[0].Err != nil {
		l.Errorf("%s: %v, %v", name, err, results[0].Err)
	}
}

// whole checks that an image and all that it leads to is in the layout.
func (l *loopback) whole(name string) {
	d := l.open()
	defer d.Close()
	found, err := d.Find(l.host + "/" + name)
	if err != nil || len(found) != 1 {
		l.Errorf("%s: found %d, %v", name, len(found), err)
		return
	}
	g, err := image.Load(l.Context(), d, found[0].Descriptor, image.Selection{All: true})
	if err != nil {
		l.Errorf("%s: %v", name, err)
		return
	}
	for _, b := range g.Blobs {
		if _, err := image.ReadAll(l.Context(), d, b, 1<<30); err != nil {
			l.Errorf("%s: %v", name, err)
		}
	}
}

// collecting runs Collect again and again, and Remove of the old image, until the context ends.
func (l *loopback) collecting(ctx context.Context) (runs int, freed int64) {
	d := l.open()
	defer d.Close()
	for ; ctx.Err() == nil; runs++ {
		c, err := d.Collect(l.Context(), layout.CollectOptions{})
		if err != nil {
			l.Error(err)
			return runs, freed
		}
		freed += c.Bytes
		_, err = d.Remove(l.Context(), func(all []layout.Image) (at []int, _ error) {
			for i, im := range all {
				if strings.Contains(im.Name, "/old:") {
					at = append(at, i)
				}
			}
			return at, nil
		}, false)
		if err != nil {
			l.Error(err)
			return runs, freed
		}
		time.Sleep(2 * time.Millisecond) // whoever waits for the lock looks for it now and then
	}
	return runs, freed
}

// Eight fetches run beside a loop of Collect, which removes none of what they have stored or found and not
// named yet: no layer is asked for twice. They all need the layer of an image that is removed meanwhile.
func TestCollectBesideEightFetches(t *testing.T) {
	l := newLoopback(t)
	base := layer(100, 300_000)
	l.reg.PutImage("old", "1", imageOf(here, base, layer(101, 20_000)))
	var own []fakeregistry.Layer
	for i := range writers {
		own = append(own, layer(byte(i), 200_000), layer(byte(50+i), 1_000))
		l.reg.PutImage(fmt.Sprintf("app%d", i), "1", imageOf(here, base, own[2*i], own[2*i+1]))
	}
	l.fetch("old:1", fetch.Options{})
	l.reg.Reset()
	for _, o := range own { // none is there before some rounds of Collect have been
		l.reg.On(fakeregistry.Match{Path: digestOf(o), Count: 1}, fakeregistry.Delay(20*time.Millisecond))
	}
	ctx, stop := context.WithCancel(t.Context())
	var collector, fetches sync.WaitGroup
	var runs int
	var freed int64
	for i := range writers {
		fetches.Go(func() { l.fetch(fmt.Sprintf("app%d:1", i), fetch.Options{}) })
	}
	collector.Go(func() { runs, freed = l.collecting(ctx) })
	fetches.Wait()
	stop()
	collector.Wait()
	if runs < 2 {
		t.Errorf("Collect ran %d times", runs)
	}
	for i := range writers {
		l.whole(fmt.Sprintf("app%d:1", i))
	}
	for i, n := range layerReads(l.reg, own...) {
		if n > 1 {
			t.Errorf("layer %d was asked for %d times", i, n)
		}
	}
	if n := layerReads(l.reg, base)[0]; n > 0 && freed < int64(len(base.Content)) || n > 1 {
		t.Errorf("the common layer was asked for %d times, and %d bytes have been freed", n, freed)
	}
	t.Logf("%d runs of Collect freed %d bytes", runs, freed)
}
