package serve

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/internal/verify"
)

// exchange is a request and its answer.
type exchange struct {
	registry *Registry
	catalog  *Catalog
	w        http.ResponseWriter
	req      *http.Request
	Event
}

// answer answers the request.
func (x *exchange) answer() {
	x.w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if p := x.route(); p != nil {
		x.refuse(p)
	}
}

func (x *exchange) refuse(p *problem) {
	x.Err = p.cause
	body, _ := json.Marshal(map[string]any{"errors": []any{
		map[string]string{"code": p.code, "message": p.message},
	}})
	x.whole(p.status, "application/json", body)
}

// document answers with a document in JSON.
func (x *exchange) document(mediaType string, v any) *problem {
	raw, err := json.Marshal(v)
	if err != nil {
		return &problem{http.StatusInternalServerError, codeUnknown, "the answer cannot be written", err}
	}
	x.whole(http.StatusOK, mediaType, raw)
	return nil
}

// whole answers with a body that is in memory. HEAD gets its length alone.
func (x *exchange) whole(status int, mediaType string, body []byte) {
	x.Status = status
	x.w.Header().Set("Content-Type", mediaType)
	x.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(status)
	if x.req.Method != http.MethodHead {
		x.sendPart(body)
	}
}

// sendPart sends bytes of a body. If that fails, the answer ends.
func (x *exchange) sendPart(p []byte) {
	if err := x.write(p); err != nil {
		x.Err, x.Cut = err, true
	}
}

// route finds out what a request is about. A repository may have the words of the API in its name: the last
// ones count.
func (x *exchange) route() *problem {
	path, ours := strings.CutPrefix(x.req.URL.Path, "/v2")
	rest, slash := strings.CutPrefix(path, "/")
	if !ours || !slash && path != "" {
		return &problem{http.StatusNotFound, codeUnsupported, "there is nothing here but /v2/", nil}
	}
	if x.req.Method != http.MethodGet && x.req.Method != http.MethodHead {
		x.w.Header().Set("Allow", "GET, HEAD")
		return &problem{http.StatusMethodNotAllowed, codeUnsupported, "this registry is read-only", nil}
	}
	if raw := x.req.URL.RawPath; strings.Contains(strings.ToLower(raw), "%2f") {
		return nameInvalid(raw) // a slash that divides nothing
	}
	switch rest {
	case "":
		x.What = WhatBase
		x.whole(http.StatusOK, "application/json", []byte("{}"))
		return nil
	case "_catalog":
		x.What = WhatCatalog
		return x.listRepositories()
	}
	return x.routeName(rest)
}

// routeName goes on with a path that has the name of a repository in front.
func (x *exchange) routeName(path string) *problem {
	above, last := cutLast(path)
	name, what := cutLast(above)
	x.Repository, x.Reference = name, last
	answers := map[string]func(*Repository) *problem{
		"manifests": x.manifest, "blobs": x.blob, "referrers": x.referrers,
	}
	answer := answers[what]
	switch {
	case name == "":
	case answer != nil:
		x.What = map[string]What{"manifests": WhatManifest, "blobs": WhatBlob, "referrers": WhatReferrers}[what]
	case what == "tags" && last == "list":
		x.What, x.Reference, answer = WhatTags, "", x.listTags
	}
	if answer == nil || name == "" {
		x.Repository, x.Reference = path, ""
		return &problem{http.StatusNotFound, codeUnsupported, "there is nothing of that name in the API", nil}
	}
	repository, p := x.catalog.repository(x.req.URL.Query().Get("ns"), name)
	if p != nil {
		return p
	}
	x.Repository = repository.Name
	return answer(repository)
}

// cutLast divides a path at its last slash.
func cutLast(path string) (above, last string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}

// digest is the digest that the request names.
func (x *exchange) digest() (digest.Digest, *problem) {
	d := digest.Digest(x.Reference)
	if err := verify.Digest(d); err != nil {
		return "", &problem{http.StatusBadRequest, codeDigestInvalid, err.Error(), nil}
	}
	return d, nil
}
