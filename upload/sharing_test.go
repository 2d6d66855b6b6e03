package upload_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/fetch"
	"drayage/internal/fakeregistry"
	"drayage/registry"
	"drayage/upload"
)

// fleet has images that share layers, and processes that push a shard of them each.
type fleet struct {
	*site
	targets []upload.Target
	shards  int
	wait    time.Duration
}

// fleetOf makes twelve images in twelve repositories: two layers are in all of them, and three more are in
// four each. Image i is in shard i modulo shards.
func (s *site) fleetOf(shards int) *fleet {
	f := &fleet{site: s, shards: shards}
	source := s.other("source.test:80")
	layer := func(text string) fakeregistry.Layer {
		return fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"f": text}))
	}
	for i := range 12 {
		name := fmt.Sprintf("app-%02d", i)
		source.PutImage(name, "1", fakeregistry.Image{Layers: []fakeregistry.Layer{
			layer("base"), layer("more"), layer(fmt.Sprint("group ", i%3)), layer(name),
		}})
		ref, err := registry.ParseReference("source.test/" + name + ":1")
		if err != nil {
			s.Fatal(err)
		}
		found := fetch.Resolve(s.Context(), s.client, []registry.Reference{ref}, fetch.Options{All: true})[0]
		if found.Err != nil {
			s.Fatal(found.Err)
		}
		t := s.to("mirror/" + name + ":1")
		t.Image = &found.Image.Image
		f.targets = append(f.targets, t)
	}
	return f
}

// push is one process.
func (f *fleet) process(ctx context.Context, shard int) error {
	client := &registry.Client{Transport: f.client.Transport, PlainHTTP: true}
	defer client.Close()
	sharing := upload.NewSharing(shard)
	sharing.Wait = f.wait
	var own []upload.Target
	for i, t := range f.targets {
		if i%f.shards == shard {
			at := registry.Reference{Registry: "registry.test", Repository: t.Repository.Path()}
			t.Repository = client.Repository(at)
			own = append(own, t)
		}
	}
	sharing.Enter(own)
	for i, t := range f.targets {
		if i%f.shards != shard {
			sharing.See(i%f.shards, t.Repository.Path(), t.Image.Travelling(), false)
		}
	}
	results, err := upload.Push(ctx, own, upload.Options{Sharing: sharing})
	for _, r := range results {
		err = errors.Join(err, r.Err)
	}
	return err
}

// run runs processes side by side.
func (f *fleet) run(shards ...int) {
	f.Helper()
	var wg sync.WaitGroup
	for _, shard := range shards {
		wg.Go(func() {
			if err := f.process(f.Context(), shard); err != nil {
				f.Errorf("shard %d: %v", shard, err)
			}
		})
	}
	wg.Wait()
}

// sent counts how often each blob was sent.
func (f *fleet) sent() map[digest.Digest]int {
	n := map[digest.Digest]int{}
	for _, e := range f.reg.Requests("PUT", "/uploads/") {
		q, err := url.ParseQuery(e.Query)
		if err != nil || e.Status != http.StatusCreated {
			continue
		}
		n[digest.Digest(q.Get("digest"))]++
	}
	return n
}

// complete checks that the images of shards are there, and that no blob was sent twice.
func (f *fleet) complete(shards ...int) {
	f.Helper()
	there := map[int]bool{}
	for _, s := range shards {
		there[s] = true
	}
	for i, t := range f.targets {
		d, ok := f.reg.Tag(t.Repository.Path(), "1")
		if ok != there[i%f.shards] || ok && d.Digest != t.Image.Root.Digest {
			f.Errorf("%s: %v %s", t.Name(), ok, d.Digest)
		}
	}
	for d, n := range f.sent() {
		if n != 1 {
			f.Errorf("%s was sent %d times", d, n)
		}
	}
}

func TestShardsSendNothingTwice(t *testing.T) {
	for _, shards := range []int{2, 3, 4, 12} {
		t.Run(fmt.Sprint(shards), func(t *testing.T) {
			onSite(t, func(s *site) {
				f := s.fleetOf(shards)
				s.reg.On(fakeregistry.Match{}, fakeregistry.Delay(50*time.Millisecond))
				var all []int
				for k := range shards {
					all = append(all, k)
				}
				began := time.Now()
				f.run(all...)
				f.complete(all...)
				if took := time.Since(began); took >= time.Minute {
					t.Errorf("shards have waited for each other for %s", took)
				}
			})
		})
	}
}

// TestShardsOneAfterAnother is a Job whose pods run one by one: nobody brings what the first one waits for.
func TestShardsOneAfterAnother(t *testing.T) {
	for _, wait := range []time.Duration{0, -1} {
		onSite(t, func(s *site) {
			f := s.fleetOf(4)
			f.wait = wait
			for k := range 4 {
				f.run(k)
			}
			f.complete(0, 1, 2, 3)
		})
	}
}

// TestShardThatIsMissing waits for a process that never runs, and does without it. When it runs in the end,
// it sends no more than what nobody else has.
func TestShardThatIsMissing(t *testing.T) {
	for missing := range 4 {
		onSite(t, func(s *site) {
			f := s.fleetOf(4)
			s.reg.On(fakeregistry.Match{}, fakeregistry.Delay(20*time.Millisecond))
			var others []int
			for k := range 4 {
				if k != missing {
					others = append(others, k)
				}
			}
			began := time.Now()
			f.run(others...)
			f.complete(others...)
			if took := time.Since(began); took > 5*time.Minute {
				t.Errorf("without shard %d the others took %s", missing, took)
			}
			f.run(missing)
			f.complete(0, 1, 2, 3)
		})
	}
}

// TestShardThatIsKilled kills a process in the middle, and runs it again.
func TestShardThatIsKilled(t *testing.T) {
	onSite(t, func(s *site) {
		f := s.fleetOf(3)
		s.reg.On(fakeregistry.Match{}, fakeregistry.Delay(100*time.Millisecond))
		var wg sync.WaitGroup
		wg.Go(func() {
			ctx, kill := context.WithTimeout(f.Context(), 500*time.Millisecond)
			defer kill()
			if err := f.process(ctx, 1); err == nil {
				t.Error("shard 1 ended before it was killed")
			}
			time.Sleep(10 * time.Second)
			f.run(1)
		})
		wg.Go(func() { f.run(0, 2) })
		wg.Wait()
		f.complete(0, 1, 2)
	})
}

// TestShardsOfARegistryThatMountsNothing need each blob in each repository, once.
func TestShardsOfARegistryThatMountsNothing(t *testing.T) {
	onSite(t, func(s *site) {
		f := s.fleetOf(4)
		s.reg.On(fakeregistry.Match{Method: "POST", Func: func(req *http.Request) bool {
			return req.URL.Query().Has("mount")
		}}, fakeregistry.Status(http.StatusForbidden))
		f.run(0, 1, 2, 3)
		twice := map[string]bool{}
		for _, e := range s.reg.Requests("PUT", "/uploads/") {
			path, _, _ := strings.Cut(e.Path, "/blobs/uploads/")
			if at := path + "?" + e.Query; e.Status == http.StatusCreated {
				if twice[at] {
					t.Errorf("%s was sent twice", at)
				}
				twice[at] = true
			}
		}
		if want := 12 * 5; len(twice) != want {
			t.Errorf("%d blobs were sent, want %d", len(twice), want)
		}
	})
}

// TestShardsThatMayNotLook may push into their own repositories only.
func TestShardsThatMayNotLook(t *testing.T) {
	onSite(t, func(s *site) {
		f := s.fleetOf(2)
		look := fakeregistry.Match{Method: "HEAD", Path: "/app-00/blobs/"}
		s.reg.On(look, fakeregistry.Status(http.StatusForbidden))
		f.targets = f.targets[:4]
		f.run(1)
		for i, want := range []bool{false, true, false, true} {
			if _, ok := s.reg.Tag(f.targets[i].Repository.Path(), "1"); ok != want {
				t.Errorf("%s: %v", f.targets[i].Name(), ok)
			}
		}
	})
}
