// Package fakeregistry is an OCI registry in memory, for tests. It speaks the distribution protocol
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md) like a strict server, can be told
// to fail in many ways, and writes down every request. Fill one from New with Registry.PutImage, break it
// with Registry.On, serve it with net/http, and read its Ledger afterwards.
package fakeregistry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Registry is an empty registry until something is put into it. It may be used concurrently; its
// exported fields must not change once it serves.
type Registry struct {
	// Ledger holds every request in the order of arrival, refused and broken ones too.
	Ledger
	Rules

	// Trusting makes the registry store blobs without comparing them with their digest.
	Trusting bool
	// Finding makes the registry mount a blob from any repository if the client names none.
	Finding bool
	// Location, if set, rewrites the addresses at which uploads go on. Without it these are paths without a
	// host.
	Location func(r *http.Request, path string) string

	mu       sync.Mutex
	repos    map[string]*repository
	sessions map[string]*session
	opened   int // upload sessions so far
	guard    guard
}

// repository is one name. Its content is never changed in place.
type repository struct {
	blobs     map[digest.Digest][]byte
	manifests map[digest.Digest]manifest
	tags      map[string]digest.Digest
}

type manifest struct {
	mediaType string
	raw       []byte
}

// New returns an empty registry that lets everybody in.
func New() *Registry {
	return &Registry{repos: map[string]*repository{}, sessions: map[string]*session{}}
}

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.Record(r.Wrap(http.HandlerFunc(r.serve))).ServeHTTP(w, req)
}

// serve is the honest registry.
func (r *Registry) serve(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	path, ok := strings.CutPrefix(req.URL.Path, "/v2/")
	if !ok {
		fail(w, http.StatusNotFound, "UNSUPPORTED", "not an API path")
		return
	}
	name, kind, rest := split(path)
	if !r.admit(w, req, name) {
		return
	}
	switch kind {
	case "":
		w.Write([]byte("{}"))
	case "manifests":
		r.serveManifest(w, req, name, rest)
	case "blobs":
		r.serveBlob(w, req, name, rest)
	case "uploads":
		r.serveUpload(w, req, name, rest)
	case "tags":
		r.serveTags(w, req, name)
	case "catalog":
		r.serveCatalog(w, req)
	}
}

// split takes the name out of a path. The name may hold slashes itself.
func split(path string) (name, kind, rest string) {
	if i := strings.LastIndex(path, "/blobs/uploads"); i > 0 {
		return path[:i], "uploads", strings.TrimPrefix(path[i+len("/blobs/uploads"):], "/")
	}
	if path == "_catalog" {
		return "", "catalog", ""
	}
	for _, kind := range []string{"manifests", "blobs", "tags"} {
		if i := strings.LastIndex(path, "/"+kind+"/"); i > 0 {
			return path[:i], kind, path[i+len(kind)+2:]
		}
	}
	return "", "", ""
}

// fail answers with an error in the form of the specification.
func fail(w http.ResponseWriter, status int, code, message string) {
	type item struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string][]item{"errors": {{code, message}}})
}

// repo returns a repository, which it makes if it is new. r.mu is held.
func (r *Registry) repo(name string) *repository {
	if r.repos[name] == nil {
		r.repos[name] = &repository{map[digest.Digest][]byte{}, map[digest.Digest]manifest{},
			map[string]digest.Digest{}}
	}
	return r.repos[name]
}

// Tag returns what a tag refers to, or false.
func (r *Registry) Tag(name, tag string) (v1.Descriptor, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d, ok := r.repo(name).tags[tag]
	m := r.repo(name).manifests[d]
	return v1.Descriptor{MediaType: m.mediaType, Digest: d, Size: int64(len(m.raw))}, ok
}

// Manifest returns the bytes of a manifest, or nil.
func (r *Registry) Manifest(name string, d digest.Digest) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.repo(name).manifests[d].raw
}

// Blob returns the bytes of a blob, or nil.
func (r *Registry) Blob(name string, d digest.Digest) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.repo(name).blobs[d]
}

// All lists everything that is stored, sorted: blobs and manifests by their digests, and what each tag names.
func (r *Registry) All() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, repo := range r.repos {
		for d := range repo.blobs {
			all = append(all, fmt.Sprintf("%s blob %s", name, d))
		}
		for d, m := range repo.manifests {
			all = append(all, fmt.Sprintf("%s manifest %s %s", name, d, m.mediaType))
		}
		for tag, d := range repo.tags {
			all = append(all, fmt.Sprintf("%s tag %s %s", name, tag, d))
		}
	}
	slices.Sort(all)
	return all
}

// Stored counts what a repository holds.
func (r *Registry) Stored(name string) (blobs, manifests, tags int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	repo := r.repo(name)
	return len(repo.blobs), len(repo.manifests), len(repo.tags)
}
