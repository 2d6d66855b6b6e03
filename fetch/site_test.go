package fetch_test

import (
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"

	"drayage/fetch"
	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/internal/pipenet"
	"drayage/layout"
	"drayage/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a registry, registry.test, and an empty layout, in a bubble of time.
type site struct {
	*testing.T
	net     pipenet.Net
	reg     *fakeregistry.Registry
	client  *registry.Client
	servers []*http.Server
	path    string
	dir     *layout.Dir

	mu      sync.Mutex
	planned []v1.Descriptor
	held    map[string]int64
}

func onSite(t *testing.T, f func(s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &site{T: t, path: filepath.Join(t.TempDir(), "layout"), held: map[string]int64{}}
		transport := registry.NewTransport(nil)
		transport.Proxy, transport.DialContext = nil, s.net.DialContext
		s.client = &registry.Client{Transport: transport, PlainHTTP: true}
		s.reg = s.other("registry.test:80")
		var err error
		if s.dir, err = layout.CreateDir(t.Context(), s.path); err != nil {
			t.Fatal(err)
		}
		defer s.close()
		f(s)
	})
}

func (s *site) close() {
	s.dir.Close()
	s.client.Close()
	for _, server := range s.servers {
		server.Close()
	}
	time.Sleep(time.Second) // servers linger that long over a connection they have closed
}

// other adds a registry.
func (s *site) other(address string) *fakeregistry.Registry {
	reg := fakeregistry.New()
	server := &http.Server{Handler: reg, ErrorLog: log.New(io.Discard, "", 0)}
	s.servers = append(s.servers, server)
	l := s.net.Listen(address)
	go server.Serve(l)
	return reg
}

// refs reads names, which are in registry.test unless they say otherwise.
func (s *site) refs(names ...string) []registry.Reference {
	s.Helper()
	var all []registry.Reference
	for _, n := range names {
		if !strings.Contains(n, ".test/") {
			n = "registry.test/" + n
		}
		ref, err := registry.ParseReference(n)
		if err != nil {
			s.Fatal(err)
		}
		all = append(all, ref)
	}
	return all
}

// fetch brings images into the layout and watches what is told on the way.
func (s *site) fetch(opts fetch.Options, names ...string) []fetch.Result {
	s.Helper()
	s.planned = nil
	clear(s.held)
	opts.Planned = func(blobs []v1.Descriptor) { s.planned = blobs }
	opts.Progress = func(d v1.Descriptor, held int64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.held[d.Digest.String()] = held
	}
	results, err := fetch.Images(s.Context(), s.client, s.refs(names...), s.dir, opts)
	if err != nil {
		s.Errorf("the run ended with %v", err)
	}
	if len(results) != len(names) {
		s.Fatalf("%d results, want %d", len(results), len(names))
	}
	return results
}

// good is fetch of what has to arrive.
func (s *site) good(opts fetch.Options, names ...string) []fetch.Result {
	s.Helper()
	results := s.fetch(opts, names...)
	for i, r := range results {
		if r.Err != nil {
			s.Errorf("%s: %v", names[i], r.Err)
		}
	}
	for _, d := range s.planned {
		if held := s.held[d.Digest.String()]; held != d.Size {
			s.Errorf("%s: %d of %d bytes were reported", d.Digest, held, d.Size)
		}
	}
	return results
}

// names are the images in the layout.
func (s *site) names() []string {
	s.Helper()
	images, err := s.dir.Images()
	if err != nil {
		s.Fatal(err)
	}
	var all []string
	for _, im := range images {
		all = append(all, strings.TrimPrefix(im.Name, "registry.test/"))
	}
	return all
}

// complete checks that everything below a name in the layout is there and right, and returns its root.
func (s *site) complete(name string) v1.Descriptor {
	s.Helper()
	found, err := s.dir.Find("registry.test/" + name)
	if err != nil || len(found) != 1 {
		s.Fatalf("%s: found %d, %v", name, len(found), err)
	}
	root := found[0].Descriptor
	g, err := image.Load(s.Context(), s.dir, root, image.Selection{All: true})
	if err != nil {
		s.Errorf("%s: %v", name, err)
		return root
	}
	for _, d := range g.Blobs {
		if _, err := image.ReadAll(s.Context(), s.dir, d, 1<<30); err != nil {
			s.Errorf("%s: %v", name, err)
		}
	}
	return root
}

// files lists what lies in a directory of the layout.
func (s *site) files(dir string) []string {
	s.Helper()
	entries, err := os.ReadDir(filepath.Join(s.path, dir))
	if err != nil {
		s.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// layerReads are the digests of the blobs that were asked for, sorted, without configurations.
func layerReads(reg *fakeregistry.Registry, layers ...fakeregistry.Layer) (n map[int]int) {
	n = map[int]int{}
	for _, e := range reg.Requests("GET", "/blobs/") {
		for i, l := range layers {
			if strings.HasSuffix(e.Path, digestOf(l)) {
				n[i]++
			}
		}
	}
	return n
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }
