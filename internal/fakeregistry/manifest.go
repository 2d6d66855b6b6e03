package fakeregistry

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxManifest is the largest manifest that is taken.
const maxManifest = 4 << 20

func (r *Registry) serveManifest(w http.ResponseWriter, req *http.Request, name, target string) {
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		r.getManifest(w, req, name, target)
	case http.MethodPut:
		r.putManifest(w, req, name, target)
	default:
		fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED", req.Method)
	}
}

// getManifest hides a manifest whose type the client does not list, as the reference implementation does.
func (r *Registry) getManifest(w http.ResponseWriter, req *http.Request, name, target string) {
	r.mu.Lock()
	repo := r.repo(name)
	d, tagged := repo.tags[target]
	if !tagged {
		d = digest.Digest(target)
	}
	m, ok := repo.manifests[d]
	r.mu.Unlock()
	accept := strings.Join(req.Header.Values("Accept"), ",")
	if !ok || !strings.Contains(accept, m.mediaType) {
		fail(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
		return
	}
	w.Header().Set("Content-Type", m.mediaType)
	w.Header().Set("Docker-Content-Digest", d.String())
	w.Header().Set("Content-Length", strconv.Itoa(len(m.raw)))
	w.Write(m.raw)
}

func (r *Registry) putManifest(w http.ResponseWriter, req *http.Request, name, target string) {
	raw, err := io.ReadAll(io.LimitReader(req.Body, maxManifest+1))
	if err != nil || len(raw) > maxManifest {
		fail(w, http.StatusRequestEntityTooLarge, "SIZE_INVALID", "manifest cut off or too large")
		return
	}
	d := digest.FromBytes(raw)
	if want, err := digest.Parse(target); err == nil {
		if d = want.Algorithm().FromBytes(raw); d != want {
			fail(w, http.StatusBadRequest, "DIGEST_INVALID", "the body hashes to "+d.String())
			return
		}
		target = ""
	}
	if missing := r.missing(name, raw); missing != "" {
		fail(w, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", missing)
		return
	}
	r.store(name, target, req.Header.Get("Content-Type"), d, raw)
	w.Header().Set("Location", "/v2/"+name+"/manifests/"+d.String())
	w.Header().Set("Docker-Content-Digest", d.String())
	w.WriteHeader(http.StatusCreated)
}

// missing returns the first thing that a manifest refers to and the repository does not have.
func (r *Registry) missing(name string, raw []byte) string {
	var doc struct {
		Config                   v1.Descriptor
		Layers, Manifests, Blobs []v1.Descriptor
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return "not a manifest: " + err.Error()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	repo := r.repo(name)
	for _, d := range doc.Manifests {
		if _, ok := repo.manifests[d.Digest]; !ok {
			return d.Digest.String()
		}
	}
	for _, d := range append(append(doc.Layers, doc.Blobs...), doc.Config) {
		if _, ok := repo.blobs[d.Digest]; !ok && d.Digest != "" && len(d.URLs) == 0 {
			return d.Digest.String()
		}
	}
	return ""
}

func (r *Registry) store(name, tag, mediaType string, d digest.Digest, raw []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	repo := r.repo(name)
	repo.manifests[d] = manifest{mediaType, raw}
	if tag != "" {
		repo.tags[tag] = d
	}
}

func (r *Registry) serveTags(w http.ResponseWriter, req *http.Request, name string) {
	r.mu.Lock()
	all := slices.Sorted(maps.Keys(r.repo(name).tags))
	r.mu.Unlock()
	serveNames(w, req, map[string]any{"name": name}, "tags", all)
}

func (r *Registry) serveCatalog(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	all := slices.Sorted(maps.Keys(r.repos))
	all = slices.DeleteFunc(all, func(name string) bool { return name == "" })
	r.mu.Unlock()
	serveNames(w, req, map[string]any{}, "repositories", all)
}

// serveNames lists names in pages of n, or of 100.
func serveNames(w http.ResponseWriter, req *http.Request, doc map[string]any, kind string, all []string) {
	q := req.URL.Query()
	n, err := strconv.Atoi(q.Get("n"))
	if err != nil || n <= 0 {
		n = 100
	}
	if last := q.Get("last"); last != "" {
		at, found := slices.BinarySearch(all, last)
		if found {
			at++
		}
		all = all[at:]
	}
	if len(all) > n {
		all = all[:n]
		next := url.Values{"n": {strconv.Itoa(n)}, "last": {all[n-1]}}
		w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, req.URL.Path, next.Encode()))
	}
	w.Header().Set("Content-Type", "application/json")
	doc[kind] = all
	json.NewEncoder(w).Encode(doc)
}
