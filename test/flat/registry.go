//go:build linux

package flat

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// registry has little to do for each request, and the same however many images there are. It holds what was
// put into it before it serves, in every repository below app/. Of what is pushed it keeps the digests only.
type registry struct {
	*httptest.Server
	held      map[digest.Digest]content
	tags      map[string]v1.Descriptor
	referrers map[digest.Digest]v1.Descriptor

	mu     sync.Mutex
	pushed map[string]v1.Descriptor // repository@digest, and repository:tag
	opened int
}

type content struct {
	mediaType string
	raw       []byte
}

func newRegistry() *registry {
	r := &registry{held: map[digest.Digest]content{}, tags: map[string]v1.Descriptor{},
		referrers: map[digest.Digest]v1.Descriptor{}, pushed: map[string]v1.Descriptor{}}
	r.Server = httptest.NewServer(r)
	return r
}

func (r *registry) host() string { return strings.TrimPrefix(r.URL, "http://") }

func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	path := strings.TrimPrefix(req.URL.Path, "/v2/")
	if name, rest, ok := strings.Cut(path, "/blobs/uploads/"); ok {
		r.upload(w, req, name, rest)
	} else if name, d, ok := strings.Cut(path, "/blobs/"); ok {
		r.serve(w, req, name, "@"+d)
	} else if name, ref, ok := strings.Cut(path, "/manifests/"); ok {
		sep := ":"
		if strings.Contains(ref, ":") {
			sep = "@"
		}
		if req.Method == http.MethodPut {
			r.putManifest(w, req, name, sep+ref)
			return
		}
		r.serve(w, req, name, sep+ref)
	} else if _, d, ok := strings.Cut(path, "/referrers/"); ok {
		r.refer(w, digest.Digest(d))
	} else if name, ok := strings.CutSuffix(path, "/tags/list"); ok {
		fmt.Fprintf(w, `{"name":%q,"tags":["1"]}`, name)
	} else if path != "" {
		http.NotFound(w, req)
	}
}

// serve answers with content, or with the description of what was pushed.
func (r *registry) serve(w http.ResponseWriter, req *http.Request, name, ref string) {
	d := v1.Descriptor{Digest: digest.Digest(strings.TrimPrefix(ref, "@"))}
	if tagged, ok := r.tags[name+ref]; ok {
		d = tagged
	}
	c, ok := r.held[d.Digest]
	if d.MediaType, d.Size = c.mediaType, int64(len(c.raw)); !ok || !strings.HasPrefix(name, "app/") {
		r.mu.Lock()
		d, ok = r.pushed[name+ref]
		r.mu.Unlock()
		if c = (content{}); ok && req.Method != http.MethodHead {
			c = r.held[d.Digest]
		}
	}
	if !ok {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("Content-Type", d.MediaType)
	w.Header().Set("Docker-Content-Digest", d.Digest.String())
	w.Header().Set("Content-Length", strconv.FormatInt(d.Size, 10))
	if req.Method != http.MethodHead {
		w.Write(c.raw)
	}
}

func (r *registry) upload(w http.ResponseWriter, req *http.Request, name, id string) {
	n, _ := io.Copy(io.Discard, req.Body)
	query := req.URL.Query()
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := query.Get("mount"); d != "" {
		if there, ok := r.pushed[query.Get("from")+"@"+d]; ok {
			r.pushed[name+"@"+d] = there
			w.WriteHeader(http.StatusCreated)
			return
		}
	}
	if d := query.Get("digest"); d != "" {
		r.pushed[name+"@"+d] = v1.Descriptor{MediaType: "application/octet-stream",
			Digest: digest.Digest(d), Size: n}
		w.Header().Set("Docker-Content-Digest", d)
		w.WriteHeader(http.StatusCreated)
		return
	}
	if req.Method == http.MethodPost {
		r.opened++
		id = strconv.Itoa(r.opened)
	}
	w.Header().Set("Location", "/v2/"+name+"/blobs/uploads/"+id)
	if n > 0 {
		w.Header().Set("Range", fmt.Sprint("0-", n-1))
	}
	w.WriteHeader(http.StatusAccepted)
}

func (r *registry) putManifest(w http.ResponseWriter, req *http.Request, name, ref string) {
	raw, _ := io.ReadAll(req.Body)
	d := v1.Descriptor{MediaType: req.Header.Get("Content-Type"), Digest: digest.FromBytes(raw),
		Size: int64(len(raw))}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pushed[name+ref], r.pushed[name+"@"+d.Digest.String()] = d, d
	var m struct{ Subject *v1.Descriptor }
	if json.Unmarshal(raw, &m) == nil && m.Subject != nil {
		w.Header().Set("OCI-Subject", m.Subject.Digest.String())
	}
	w.Header().Set("Docker-Content-Digest", d.Digest.String())
	w.WriteHeader(http.StatusCreated)
}

func (r *registry) refer(w http.ResponseWriter, d digest.Digest) {
	ix := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{}}
	ix.SchemaVersion = 2
	if one, ok := r.referrers[d]; ok {
		ix.Manifests = append(ix.Manifests, one)
	}
	w.Header().Set("Content-Type", v1.MediaTypeImageIndex)
	json.NewEncoder(w).Encode(ix)
}
