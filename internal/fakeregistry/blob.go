package fakeregistry

import (
	"bytes"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"
)

func (r *Registry) serveBlob(w http.ResponseWriter, req *http.Request, name, ref string) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED", req.Method)
		return
	}
	r.mu.Lock()
	content, ok := r.repo(name).blobs[digest.Digest(ref)]
	r.mu.Unlock()
	if !ok {
		fail(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry")
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Docker-Content-Digest", ref)
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(content))
}
