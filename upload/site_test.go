package upload_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"

	"drayage/dockerarchive"
	"drayage/fetch"
	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/internal/imagetest"
	"drayage/internal/pipenet"
	"drayage/layout"
	"drayage/registry"
	"drayage/upload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site has a registry to push to, registry.test, in a bubble of time.
type site struct {
	*testing.T
	net     pipenet.Net
	reg     *fakeregistry.Registry
	client  *registry.Client
	servers []*http.Server
	closes  []func() error

	mu      sync.Mutex
	planned []v1.Descriptor
	done    map[digest.Digest]int64
}

func onSite(t *testing.T, f func(s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &site{T: t, done: map[digest.Digest]int64{}}
		transport := registry.NewTransport(nil)
		transport.Proxy, transport.DialContext = nil, s.net.DialContext
		s.client = &registry.Client{Transport: transport, PlainHTTP: true}
		s.reg = s.other("registry.test:80")
		defer s.close()
		f(s)
	})
}

func (s *site) close() {
	for _, f := range s.closes {
		f()
	}
	s.client.Close()
	for _, server := range s.servers {
		server.Close()
	}
	time.Sleep(time.Second) // servers linger that long over a connection they have closed
}

// other adds a registry.
func (s *site) other(address string) *fakeregistry.Registry {
	reg := fakeregistry.New()
	s.serve(address, reg)
	return reg
}

func (s *site) serve(address string, h http.Handler) {
	server := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	s.servers = append(s.servers, server)
	l := s.net.Listen(address)
	go server.Serve(l)
}

// to is a place to push to, in registry.test unless it says otherwise.
func (s *site) to(name string) upload.Target {
	s.Helper()
	if !strings.Contains(name, ".test/") {
		name = "registry.test/" + name
	}
	ref, err := registry.ParseReference(name)
	if err != nil {
		s.Fatal(err)
	}
	return upload.Target{Repository: s.client.Repository(ref), Tag: ref.Tag}
}

// push pushes and watches what is told on the way.
func (s *site) push(opts upload.Options, targets ...upload.Target) []upload.Result {
	s.Helper()
	s.mu.Lock() // what net/http reads of a refused body may still be reported
	clear(s.done)
	s.mu.Unlock()
	opts.Planned = func(blobs []v1.Descriptor) { s.planned = blobs }
	opts.Progress = func(d v1.Descriptor, done int64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.done[d.Digest] = done
	}
	results, err := upload.Push(s.Context(), targets, opts)
	if err != nil {
		s.Errorf("the run ended with %v", err)
	}
	if len(results) != len(targets) {
		s.Fatalf("%d results, want %d", len(results), len(targets))
	}
	return results
}

// good is push of what has to arrive.
func (s *site) good(opts upload.Options, targets ...upload.Target) []upload.Result {
	s.Helper()
	results := s.push(opts, targets...)
	for i, r := range results {
		if r.Err != nil {
			s.Fatalf("target %d: %v", i, r.Err)
		}
		if targets[i].Tag == "" {
			continue
		}
		if got, ok := s.reg.Tag(r.Target.Repository.Path(), targets[i].Tag); ok &&
			got.Digest != r.Descriptor.Digest {
			s.Errorf("target %d: the tag is %s, the result %s", i, got.Digest, r.Descriptor.Digest)
		}
	}
	for _, d := range s.planned {
		if s.done[d.Digest] != d.Size {
			s.Errorf("%s: %d of %d bytes were reported", d.Digest, s.done[d.Digest], d.Size)
		}
	}
	return results
}

// savedImage is an image for a docker-save tar.
type savedImage struct {
	layers []fakeregistry.Layer
	label  string // makes configurations differ
}

// config is a configuration with odd white space, so that one that is written anew has other bytes.
func (im savedImage) config() []byte {
	ids := []digest.Digest{}
	for _, l := range im.layers {
		ids = append(ids, l.DiffID)
	}
	list, err := json.Marshal(ids)
	if err != nil {
		panic(err)
	}
	return []byte(`{ "architecture":"amd64", "os":"linux","author":"` + im.label + `\u003c",
		"rootfs":{"type":"layers","diff_ids":` + string(list) + "} }\n")
}

// saved reads images back from a docker-save tar.
func (s *site) saved(images ...savedImage) []*dockerarchive.SavedImage {
	s.Helper()
	var of []imagetest.Saved
	for _, im := range images {
		saved := imagetest.Saved{Config: im.config()}
		for _, l := range im.layers {
			saved.Layers = append(saved.Layers, l.Content)
		}
		of = append(of, saved)
	}
	raw := imagetest.Pack(imagetest.Entries(of...)...)
	a, err := dockerarchive.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		s.Fatal(err)
	}
	list, err := a.Images(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	var all []*dockerarchive.SavedImage
	for i := range list {
		all = append(all, &list[i])
	}
	return all
}

// layout fetches everything of an image of a registry that fill makes, and returns the layout and the
// image's root.
func (s *site) layout(fill func(*fakeregistry.Registry) v1.Descriptor) (*layout.Dir, v1.Descriptor) {
	s.Helper()
	root := fill(s.other("source.test:80"))
	dir, err := layout.CreateDir(s.Context(), filepath.Join(s.TempDir(), "layout"))
	if err != nil {
		s.Fatal(err)
	}
	s.closes = append(s.closes, dir.Close)
	ref := registry.Reference{Registry: "source.test", Repository: "app", Digest: root.Digest}
	results, err := fetch.Images(s.Context(), s.client, []registry.Reference{ref}, dir, fetch.Options{All: true})
	if err != nil || results[0].Err != nil {
		s.Fatal(err, results[0].Err)
	}
	return dir, root
}

// load is all of an image in a layout.
func (s *site) load(dir *layout.Dir, root v1.Descriptor, platforms ...v1.Platform) *image.Image {
	s.Helper()
	im, err := image.Open(s.Context(), dir, root, image.Selection{All: len(platforms) == 0,
		Platforms: platforms})
	if err == nil {
		err = im.LeaveOutForeign(s.Context())
	}
	if err != nil {
		s.Fatal(err)
	}
	return im
}

// requests counts requests by method and part of the path.
func (s *site) requests(method, part string) int { return len(s.reg.Requests(method, part)) }

// mounts counts the attempts to mount a blob, and those that were granted.
func (s *site) mounts() (asked, granted int) {
	for _, e := range s.reg.Requests("POST", "") {
		if strings.Contains(e.Query, "mount=") {
			asked++
			if e.Status == http.StatusCreated {
				granted++
			}
		}
	}
	return asked, granted
}
