//go:build linux

package serving

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/imagetest"
	"drayage/layout"
	"drayage/serve"
	"drayage/test/wire"
)

// bridge is one registry for the suite: another one takes what is pushed, and drayage answers all that is
// asked. So the suite compares every byte with what it has pushed, which it cannot where it only reads.
type bridge struct {
	t      *testing.T
	writes http.Handler
	dir    string // of the other registry, with a layout for each repository

	mu    sync.Mutex
	known map[digest.Digest]manifest
}

// manifest is what a catalog has to know of a blob.
type manifest struct {
	is      bool // a manifest at all
	root    v1.Descriptor
	subject digest.Digest
}

func (b *bridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !reads || strings.Contains(r.URL.Path, "/blobs/uploads/") {
		b.writes.ServeHTTP(w, r)
		return
	}
	catalog, err := b.catalog()
	if err != nil {
		b.t.Error(err)
	}
	serve.New(catalog, serve.Options{}).ServeHTTP(w, r)
}

// catalog is of what is there now.
func (b *bridge) catalog() (*serve.Catalog, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var shelves []serve.Shelf
	for _, name := range []string{repository, "conformance/repo2"} {
		dir := filepath.Join(b.dir, name)
		index, err := readIndex(dir)
		if os.IsNotExist(err) {
			continue
		}
		l, err := layout.New(os.DirFS(dir))
		if err != nil {
			return nil, err
		}
		shelf := serve.Shelf{Name: name, Repository: name, Content: l}
		for _, d := range index.Manifests {
			if tag := d.Annotations[v1.AnnotationRefName]; tag != "" {
				shelf.Images = append(shelf.Images, serve.Image{Tag: tag, Root: d})
			}
		}
		referrers, err := b.referrers(dir)
		if err != nil {
			return nil, err
		}
		shelf.Images = append(shelf.Images, referrers...)
		shelves = append(shelves, shelf)
	}
	return serve.NewCatalog(shelves), nil
}

func readIndex(dir string) (index v1.Index, err error) {
	raw, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err == nil {
		err = json.Unmarshal(raw, &index)
	}
	return index, err
}

// referrers are the manifests in a layout that name a subject.
func (b *bridge) referrers(dir string) (all []serve.Image, _ error) {
	blobs := filepath.Join(dir, "blobs", "sha256")
	files, err := os.ReadDir(blobs)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	for _, f := range files {
		dgst := digest.NewDigestFromEncoded(digest.SHA256, f.Name())
		if _, seen := b.known[dgst]; !seen {
			raw, err := os.ReadFile(filepath.Join(blobs, f.Name()))
			if err != nil {
				return nil, err
			}
			var m v1.Manifest
			is := json.Unmarshal(raw, &m) == nil && m.SchemaVersion == 2
			b.known[dgst] = manifest{is: is, root: v1.Descriptor{MediaType: m.MediaType, Digest: dgst,
				Size: int64(len(raw))}}
			if is && m.Subject != nil {
				b.known[dgst] = manifest{is, b.known[dgst].root, m.Subject.Digest}
			}
		}
		if m := b.known[dgst]; m.subject != "" {
			all = append(all, serve.Image{Root: m.root, Subject: m.subject})
		}
	}
	return all, nil
}

// TestConformanceOfContent runs the whole suite. What it says of pushing is about the other registry.
func TestConformanceOfContent(t *testing.T) {
	b := &bridge{t: t, dir: t.TempDir(), known: map[digest.Digest]manifest{}}
	other := startOlareg(t, b.dir)
	b.writes = other.Config.Handler
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	// The suite asks a repository that it has not pushed to yet.
	repo := &wire.Repository{URL: server.URL, Name: repository}
	_, nothing := imagetest.Index(false)
	if err := repo.PutManifest(t.Context(), "first", v1.MediaTypeImageIndex, nothing); err != nil {
		t.Fatal(err)
	}
	found, report := buildSuite(t).run(strings.TrimPrefix(server.URL, "http://"),
		"OCI_DATA_NONDISTRIBUTABLE=false") // olareg refuses what lacks a layer
	reads := 0
	for name, verdicts := range found {
		for _, verdict := range verdicts {
			switch {
			case !isRead(name):
			case verdict == "Pass":
				reads++
			default:
				t.Errorf("%s: %s", name, verdict)
			}
		}
	}
	if found.passes(t, "/sha256 blobs/range requests/range 500-1499") != 1 || reads < 280 {
		t.Errorf("only %d checks have read something", reads)
	}
	if t.Failed() {
		t.Logf("the suite says:\n%.60000s", report)
	}
	t.Logf("%d checks that read have passed", reads)
}

// isRead reports whether a check asks what is there.
func isRead(name string) bool {
	for _, part := range []string{"/head/", "/pull/", "/tag-list", "/referrers", "/get-missing", "/blob-get",
		"/blob-head", "/range requests/range", "/missing-manifest/", "/manifest-get", "/ping", "/tag list"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
