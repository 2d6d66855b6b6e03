package upload_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/compression"
	"drayage/internal/fakeregistry"
	"drayage/registry"
	"drayage/upload"
)

const half = 2 << 20

// brings chooses the requests that bring more than a configuration.
var brings = fakeregistry.Match{Path: "/uploads/upload-", Func: func(req *http.Request) bool {
	return req.Method != "POST" && (req.ContentLength < 0 || req.ContentLength > 10_000)
}}

// kill pushes until the registry has kept a part of the first layer, and then no more, as a process does
// that is killed.
func (s *site) kill(opts upload.Options, target upload.Target) {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	m := brings
	m.Count = 1
	s.reg.On(m, func(next http.Handler) http.Handler {
		keep := fakeregistry.CutKeeping(half)(next)
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			keep.ServeHTTP(w, req)
			synctest.Wait() // until the configuration is there: its upload has no journal and would be left over
			cancel()
		})
	})
	s.reg.On(fakeregistry.Match{Method: "GET", Path: "/uploads/"}, fakeregistry.Hang())
	if _, err := upload.Push(ctx, []upload.Target{target}, opts); !errors.Is(err, context.Canceled) {
		s.Fatalf("killed: %v", err)
	}
	s.reg.Heal()
	s.reg.Reset()
}

// remembered counts the uploads that are remembered.
func remembered(s *site, cache string) int {
	s.Helper()
	entries, err := os.ReadDir(filepath.Join(cache, "uploads"))
	if err != nil && !os.IsNotExist(err) {
		s.Fatal(err)
	}
	return len(entries)
}

// The next run sends of a layer only what the registry has not kept.
func TestPushGoesOnInTheNextRun(t *testing.T) {
	sources := map[string]func(s *site) upload.Target{
		"layout": func(s *site) upload.Target {
			dir, root := s.layout(func(reg *fakeregistry.Registry) v1.Descriptor {
				return reg.PutImage("app", "", fakeregistry.Image{Platform: amd64,
					Layers: []fakeregistry.Layer{packed(1, 2*half)}})
			})
			target := s.to("app:1")
			target.Image = s.load(dir, root)
			return target
		},
		"tar": func(s *site) upload.Target {
			target := s.to("app:1")
			target.Saved = s.saved(savedImage{layers: []fakeregistry.Layer{plain(1, 2*half)}})[0]
			return target
		},
		"tar of compressed layers": func(s *site) upload.Target {
			target := s.to("app:1")
			target.Saved = s.saved(savedImage{layers: []fakeregistry.Layer{packed(1, 2*half)}})[0]
			return target
		},
	}
	for name, source := range sources {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(s *site) {
				opts := upload.Options{CacheDir: s.TempDir()}
				target := source(s)
				s.kill(opts, target)
				if n := remembered(s, opts.CacheDir); n != 1 {
					s.Errorf("%d uploads are remembered, want 1", n)
				}
				s.good(opts, target)
				if sent := s.reg.Received("", "/uploads/"); sent > half+100_000 {
					s.Errorf("%d bytes were sent again", sent-half)
				}
				if n := s.reg.OpenUploads() + remembered(s, opts.CacheDir); n > 0 {
					s.Errorf("%d uploads are left over", n)
				}
				want := s.good(upload.Options{}, source(s))[0].Descriptor.Digest
				if got := s.good(opts, target)[0].Descriptor.Digest; got != want {
					s.Errorf("it has become %s, want %s", got, want)
				}
			})
		})
	}
}

// Bytes that another compression has made are no part of the layer.
func TestPushGoesOnWithTheSameBytesOnly(t *testing.T) {
	onSite(t, func(s *site) {
		opts := upload.Options{CacheDir: s.TempDir()}
		im := savedImage{layers: []fakeregistry.Layer{plain(1, 2*half)}}
		target := s.to("app:1")
		target.Saved = s.saved(im)[0]
		s.kill(opts, target)
		opts.Compression = upload.Compression{Kind: compression.Gzip, Level: 9}
		s.good(opts, target)
		s.checkImage("app", "1", im)
		if n := len(s.reg.Requests("GET", "/uploads/")); n != 0 {
			s.Errorf("%d times it was asked what the other compression had sent", n)
		}
	})
}

// Of two registries at one host each goes on with its own uploads.
func TestPushGoesOnInTheSameRegistryOnly(t *testing.T) {
	onSite(t, func(s *site) {
		root := ""
		s.client.Endpoints = func(registry.Reference) ([]registry.Endpoint, error) {
			at := url.URL{Host: "many.test", Path: root + "/v2/"}
			return []registry.Endpoint{{URL: at, Tags: true, Digests: true, Push: true}}, nil
		}
		mux := http.NewServeMux()
		regs := map[string]*fakeregistry.Registry{}
		for _, path := range []string{"/a", "/b"} {
			regs[path] = fakeregistry.New()
			regs[path].Location = func(_ *http.Request, at string) string { return path + at }
			mux.Handle(path+"/", http.StripPrefix(path, regs[path]))
		}
		s.serve("many.test:80", mux)
		opts := upload.Options{CacheDir: s.TempDir()}
		im := savedImage{layers: []fakeregistry.Layer{plain(1, 2*half)}}
		to := func(path string) upload.Target {
			root, s.reg = path, regs[path]
			target := s.to("many.test/app:1")
			target.Saved = s.saved(im)[0]
			return target
		}
		s.kill(opts, to("/a"))
		s.good(opts, to("/b"))
		if asked := regs["/a"].Requests("", ""); len(asked) != 0 {
			s.Errorf("the other registry was asked %d times: %s %s", len(asked), asked[0].Method, asked[0].Path)
		}
		s.checkImage("app", "1", im)
	})
}

// Where all would have to be there again if the registry wanted it, or is sent in no time, nothing is
// remembered.
func TestPushRemembersNoMoreThanItHasTo(t *testing.T) {
	onSite(t, func(s *site) {
		opts := upload.Options{CacheDir: s.TempDir()}
		im := savedImage{layers: []fakeregistry.Layer{plain(1, 2*half), packed(2, 2*half)}}
		s.reg.On(brings, fakeregistry.Early(403))
		if err := s.pushPass(im, opts); err == nil {
			s.Error("it was pushed")
		}
		small := s.to("small:1")
		small.Saved = s.saved(savedImage{layers: []fakeregistry.Layer{plain(1, 900_000)}})[0]
		s.push(opts, small)
		if _, err := os.Stat(filepath.Join(opts.CacheDir, "uploads")); !os.IsNotExist(err) {
			s.Errorf("%v: something was remembered", err)
		}
	})
}
