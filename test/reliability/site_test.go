//go:build linux

package reliability

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/internal/fakeregistry"
	"drayage/test/faultreg"
	"drayage/test/registry3"
	"drayage/test/wire"
)

// site is a registry behind faults.
type site struct {
	*faultreg.Server
	t *try
}

// serve puts faults before a handler, over the transport that is tried.
func (t *try) serve(inner http.Handler) *site {
	s := &site{t: t, Server: faultreg.Start(inner, t.tls)}
	t.Cleanup(s.Close)
	t.certs = append(t.certs, s.Certificate()...)
	if len(t.certs) > 0 {
		t.write("ca.pem", t.certs)
	}
	t.mu.Lock()
	t.servers = append(t.servers, s)
	t.mu.Unlock()
	return s
}

// registry is distribution 3 behind faults.
func (t *try) registry() *site { return t.registryWith(registry3.Options{}) }

func (t *try) registryWith(opts registry3.Options) *site {
	dir, err := os.MkdirTemp(scratch, "registry-") // not in memory: distribution's handlers are never freed
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	opts.Dir = dir
	inner, err := registry3.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inner.Close)
	return t.serve(inner.Handler())
}

// fake is a registry that holds whatever it is given, behind faults.
func (t *try) fake() (*site, *fakeregistry.Registry) {
	reg := fakeregistry.New()
	return t.serve(reg), reg
}

// seeded is a registry with one image in it, as app:1. The ledger begins behind that.
func (t *try) seeded(sizes ...int) (*site, *image) {
	s, img := t.registry(), newImage(t.Name(), sizes...)
	s.seed("app", "1", img)
	return s, img
}

func (s *site) repo(name string) *wire.Repository {
	return &wire.Repository{URL: s.URL(), Name: name, Client: s.Client()}
}

// ref is what drayage calls an image of the site.
func (s *site) ref(name string) string { return s.Addr() + "/" + name }

func (s *site) seed(name, tag string, img *image) {
	ctx, repo := s.t.Context(), s.repo(name)
	for _, blob := range img.blobs() {
		if err := repo.PutBlob(ctx, digest.FromBytes(blob), int64(len(blob)), bytes.NewReader(blob)); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := repo.PutManifest(ctx, tag, img.desc.MediaType, img.manifest); err != nil {
		s.t.Fatal(err)
	}
	s.Reset()
}

// breaks adds a rule for reads of blobs that are no configuration.
func (s *site) breaks(img *image, m fakeregistry.Match, f fakeregistry.Fault) {
	m.Method = http.MethodGet
	m.Func = func(r *http.Request) bool {
		return strings.Contains(r.URL.Path, "/blobs/") &&
			!strings.HasSuffix(r.URL.Path, img.configDigest().Encoded())
	}
	s.On(m, f)
}

// struck ends the attempt if the first rule was applied less than n times: then nothing was tried.
func (s *site) struck(n int) {
	if got := s.Struck(); got[0] < n {
		s.t.Fatalf("the fault struck %d times, want at least %d", got[0], n)
	}
}

// again is how many bytes of blobs were sent more than once, given what the image weighs.
func (s *site) again(img *image) int64 { return s.Sent(http.MethodGet, "/blobs/") - img.weight() }

// used counts drayage's own requests by version of HTTP.
func (s *site) used() map[string]int {
	counts := map[string]int{}
	for _, e := range s.Requests("", "") {
		if strings.HasPrefix(e.Header.Get("User-Agent"), "drayage") {
			counts[e.Proto]++
		}
	}
	return counts
}

// served checks that the registry has the image whole.
func (s *site) served(name, tag string, img *image) {
	s.Heal()
	repo := s.repo(name)
	m, err := repo.Manifest(s.t.Context(), tag)
	if err != nil {
		s.t.Fatalf("the image is not there: %v", err)
	}
	if m.Digest != img.desc.Digest {
		s.t.Fatalf("the registry has %s, want %s", m.Digest, img.desc.Digest)
	}
	for _, blob := range img.blobs() {
		rc, err := repo.Blob(s.t.Context(), digest.FromBytes(blob))
		if err != nil {
			s.t.Fatalf("a blob is not there: %v", err)
		}
		got, err := digest.FromReader(rc)
		rc.Close()
		if err != nil || got != digest.FromBytes(blob) {
			s.t.Errorf("a blob has the bytes of %s, %v", got, err)
		}
	}
}

// unnamed checks that the registry has no such image.
func (s *site) unnamed(name, tag string) {
	s.Heal()
	if m, err := s.repo(name).Manifest(s.t.Context(), tag); err == nil {
		s.t.Errorf("the registry has %s:%s as %s although it should not", name, tag, m.Digest)
	}
}

func (t *try) path(name string) string { return filepath.Join(t.dir, name) }

func (t *try) write(name string, content []byte) {
	if err := os.MkdirAll(filepath.Dir(t.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(t.path(name), content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func (t *try) read(name string) []byte {
	raw, err := os.ReadFile(t.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (t *try) exists(name string) bool {
	_, err := os.Lstat(t.path(name))
	return err == nil
}
