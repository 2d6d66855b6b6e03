package fakeregistry

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
)

// session is an upload that has been begun. As in the reference implementation, its state changes with each
// step, and the client has to give it back.
type session struct {
	name  string
	state int // Registry.mu is held

	mu   sync.Mutex // the status may be asked for while a body still comes
	data bytes.Buffer
}

// Write adds to what the session has.
func (s *session) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data.Write(p)
}

func (s *session) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data.Len()
}

// content is what the session has by now.
func (s *session) content() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.data.Bytes())
}

func (r *Registry) serveUpload(w http.ResponseWriter, req *http.Request, name, id string) {
	if req.Method == http.MethodPost && id == "" {
		r.begin(w, req, name)
		return
	}
	if req.Method == http.MethodGet {
		r.status(w, req, name, id)
		return
	}
	s, ok := r.take(id, name, req)
	switch {
	case s == nil:
		fail(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "no such upload")
		return
	case !ok:
		fail(w, http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID", "stale state")
		return
	}
	switch req.Method {
	case http.MethodPatch:
		r.patch(w, req, id, s)
	case http.MethodPut:
		r.finish(w, req, id, s)
	case http.MethodDelete:
		r.drop(id)
		w.WriteHeader(http.StatusNoContent)
	default:
		fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED", req.Method)
	}
}

// take finds a session. If the request knows the state, take moves it on, so that no other request can use
// the session meanwhile.
func (r *Registry) take(id, name string, req *http.Request) (*session, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sessions[id]
	if s == nil || s.name != name {
		return nil, false
	}
	if req.Method != http.MethodDelete && req.URL.Query().Get("_state") != strconv.Itoa(s.state) {
		return s, false
	}
	s.state++
	return s, true
}

// mounted is the blob that a client wants to be mounted. r.mu is held.
func (r *Registry) mounted(q url.Values, d digest.Digest) (content []byte, ok bool) {
	if q.Has("from") || !r.Finding {
		content, ok = r.repo(q.Get("from")).blobs[d]
		return content, ok
	}
	for _, repo := range r.repos {
		if content, ok = repo.blobs[d]; ok {
			break
		}
	}
	return content, ok
}

// begin opens a session, or mounts a blob of another repository if it is asked to and can.
func (r *Registry) begin(w http.ResponseWriter, req *http.Request, name string) {
	q := req.URL.Query()
	d := digest.Digest(q.Get("mount"))
	r.mu.Lock()
	if content, ok := r.mounted(q, d); ok && d != "" {
		r.repo(name).blobs[d] = content
		r.mu.Unlock()
		created(w, name, d)
		return
	}
	r.opened++
	id := fmt.Sprintf("upload-%d", r.opened)
	s := &session{name: name}
	r.sessions[id] = s
	r.mu.Unlock()
	r.accepted(w, req, id, s)
}

// accepted says where the upload goes on. The state comes before another parameter, and holds what a careless
// client would decode or reorder.
func (r *Registry) accepted(w http.ResponseWriter, req *http.Request, id string, s *session) {
	r.progress(w, req, id, s)
	w.WriteHeader(http.StatusAccepted)
}

func (r *Registry) progress(w http.ResponseWriter, req *http.Request, id string, s *session) {
	r.mu.Lock()
	path := fmt.Sprintf("/v2/%s/blobs/uploads/%s?z=a%%2Bb&_state=%d", s.name, id, s.state)
	r.mu.Unlock()
	if r.Location != nil {
		path = r.Location(req, path)
	}
	w.Header().Set("Location", path)
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(s.len()-1, 0)))
	w.Header().Set("Docker-Upload-UUID", id)
}

// status tells how far an upload has come and its state, as version 3 of the reference implementation does.
func (r *Registry) status(w http.ResponseWriter, req *http.Request, name, id string) {
	r.mu.Lock()
	s := r.sessions[id]
	r.mu.Unlock()
	if s == nil || s.name != name {
		fail(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "no such upload")
		return
	}
	r.progress(w, req, id, s)
	w.WriteHeader(http.StatusNoContent)
}

// receive adds the body to the content of the session, also of a body that is cut off.
func receive(w http.ResponseWriter, req *http.Request, s *session) bool {
	if !strings.Contains(req.URL.RawQuery, "z=a%2Bb&_state=") {
		fail(w, http.StatusBadRequest, "BLOB_UPLOAD_INVALID", "the query of Location was changed")
		return false
	}
	if span := req.Header.Get("Content-Range"); span != "" &&
		!strings.HasPrefix(span, fmt.Sprintf("%d-", s.len())) {
		fail(w, http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID", "not where the upload is")
		return false
	}
	if t := req.Header.Get("Content-Type"); t != "" && t != "application/octet-stream" {
		fail(w, http.StatusUnsupportedMediaType, "UNSUPPORTED", t)
		return false
	}
	if _, err := io.Copy(s, req.Body); err != nil {
		fail(w, http.StatusBadRequest, "BLOB_UPLOAD_INVALID", "the body was cut off")
		return false
	}
	return true
}

func (r *Registry) patch(w http.ResponseWriter, req *http.Request, id string, s *session) {
	if receive(w, req, s) {
		r.accepted(w, req, id, s)
	}
}

func (r *Registry) finish(w http.ResponseWriter, req *http.Request, id string, s *session) {
	if !receive(w, req, s) {
		return
	}
	content := s.content()
	d, err := digest.Parse(req.URL.Query().Get("digest"))
	if err != nil || !r.Trusting && d.Algorithm().FromBytes(content) != d {
		fail(w, http.StatusBadRequest, "DIGEST_INVALID", "the content is something else")
		return
	}
	r.mu.Lock()
	r.repo(s.name).blobs[d] = content
	r.mu.Unlock()
	r.drop(id)
	created(w, s.name, d)
}

func created(w http.ResponseWriter, name string, d digest.Digest) {
	w.Header().Set("Location", "/v2/"+name+"/blobs/"+d.String())
	w.Header().Set("Docker-Content-Digest", d.String())
	w.WriteHeader(http.StatusCreated)
}

func (r *Registry) drop(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, id)
}

// OpenUploads counts the sessions that were neither finished nor dropped.
func (r *Registry) OpenUploads() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sessions)
}
