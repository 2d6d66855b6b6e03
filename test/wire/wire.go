// Package wire speaks just enough of the OCI distribution protocol to seed a registry and to read back what
// is in it. It shares no code with drayage, so that tests compare two independent views. Make a [Repository]
// and call it.
package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// MediaTypes of manifests, as Accept header values, in both families.
const (
	DockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	DockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	DockerConfig   = "application/vnd.docker.container.image.v1+json"
	DockerLayer    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

// ErrNotFound is matched by the errors of reads that the registry answered with 404.
var ErrNotFound = errors.New("not found")

// maxManifest is what a manifest of these tests may weigh at most.
const maxManifest = 4 << 20

// Repository is one repository of one registry. Its methods may be called concurrently. A nil Client means
// [http.DefaultClient].
type Repository struct {
	URL            string // "http://127.0.0.1:5000", no trailing slash
	Name           string // "team/app"
	User, Password string // Basic credentials; no User sends none
	Bearer         string // a token, sent in place of Basic credentials
	Client         *http.Client
}

// Manifest is a manifest or an index as the registry served it.
type Manifest struct {
	v1.Descriptor // MediaType is that of the Content-Type header; Digest and Size are of Raw
	Raw           []byte
}

// Manifest reads a manifest or an index by tag or digest, and checks that the registry names the digest of
// the bytes, or none: registries may leave the digest out.
func (r *Repository) Manifest(ctx context.Context, ref string) (Manifest, error) {
	header := http.Header{"Accept": {v1.MediaTypeImageIndex, v1.MediaTypeImageManifest, DockerList,
		DockerManifest}}
	resp, err := r.do(ctx, http.MethodGet, r.url("manifests", ref), header, nil, 0)
	if err != nil {
		return Manifest{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxManifest+1))
	if err != nil {
		return Manifest{}, fmt.Errorf("read manifest %s: %v", ref, err)
	}
	if len(raw) > maxManifest {
		return Manifest{}, fmt.Errorf("manifest %s is larger than %d bytes", ref, maxManifest)
	}
	m := Manifest{Raw: raw, Descriptor: v1.Descriptor{
		MediaType: resp.Header.Get("Content-Type"),
		Digest:    digest.FromBytes(raw),
		Size:      int64(len(raw)),
	}}
	if named := resp.Header.Get("Docker-Content-Digest"); named != "" && named != m.Digest.String() {
		return Manifest{}, fmt.Errorf("manifest %s: registry says %q, bytes are %s", ref, named, m.Digest)
	}
	return m, nil
}

// Referrers lists the manifests that name dgst as their subject: by the API for it or, where there is none,
// by the tag that stands in for it. The descriptors are as the registry has them.
func (r *Repository) Referrers(ctx context.Context, dgst digest.Digest) ([]v1.Descriptor, error) {
	resp, err := r.do(ctx, http.MethodGet, r.url("referrers", dgst.String()), nil, nil, 0)
	var raw []byte
	switch {
	case err == nil:
		defer resp.Body.Close()
		raw, err = io.ReadAll(io.LimitReader(resp.Body, maxManifest))
	case errors.Is(err, ErrNotFound):
		var stored Manifest
		stored, err = r.Manifest(ctx, ReferrersTag(dgst))
		raw = stored.Raw
		if errors.Is(err, ErrNotFound) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	var index v1.Index
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, fmt.Errorf("referrers of %s: %v", dgst, err)
	}
	if index.MediaType != v1.MediaTypeImageIndex || index.SchemaVersion != 2 {
		return nil, fmt.Errorf("referrers of %s: this is no index: %s", dgst, raw)
	}
	return index.Manifests, nil
}

// ReferrersTag is the tag that stands in for the referrers API.
func ReferrersTag(dgst digest.Digest) string {
	return strings.Replace(dgst.String(), ":", "-", 1)
}

// Blob opens a blob. The caller closes it and checks its digest.
func (r *Repository) Blob(ctx context.Context, dgst digest.Digest) (io.ReadCloser, error) {
	resp, err := r.do(ctx, http.MethodGet, r.url("blobs", dgst.String()), nil, nil, 0)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// PutManifest stores a manifest or an index under a tag or its digest. What it refers to must be there
// already.
func (r *Repository) PutManifest(ctx context.Context, ref, mediaType string, raw []byte) error {
	header := http.Header{"Content-Type": {mediaType}}
	resp, err := r.do(ctx, http.MethodPut, r.url("manifests", ref), header, bytes.NewReader(raw),
		int64(len(raw)))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// PutBlob stores a blob of known size and digest in two requests. It reads body to its end and does not close
// it.
func (r *Repository) PutBlob(ctx context.Context, dgst digest.Digest, size int64, body io.Reader) error {
	resp, err := r.do(ctx, http.MethodPost, r.url("blobs", "uploads/"), nil, nil, 0)
	if err != nil {
		return err
	}
	resp.Body.Close()
	target, err := resp.Request.URL.Parse(resp.Header.Get("Location"))
	if err != nil {
		return fmt.Errorf("upload location of %s: %v", dgst, err)
	}
	query := target.Query()
	query.Set("digest", dgst.String())
	target.RawQuery = query.Encode()
	header := http.Header{"Content-Type": {"application/octet-stream"}}
	// NopCloser: http would close a body that is a file, which is the caller's.
	if resp, err = r.do(ctx, http.MethodPut, target.String(), header, io.NopCloser(body), size); err != nil {
		return err
	}
	return resp.Body.Close()
}

func (r *Repository) url(kind, last string) string {
	return strings.TrimSuffix(r.URL, "/") + "/v2/" + r.Name + "/" + kind + "/" + last
}

// do sends one request and returns the response when its status is 2xx. The caller closes the body.
func (r *Repository) do(ctx context.Context, method, target string, header http.Header, body io.Reader,
	size int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	for key, values := range header {
		req.Header[key] = values
	}
	req.ContentLength = size
	if size == 0 {
		req.Body = http.NoBody // a length of 0 with a body means "unknown"
	}
	switch {
	case r.Bearer != "":
		req.Header.Set("Authorization", "Bearer "+r.Bearer)
	case r.User != "":
		req.SetBasicAuth(r.User, r.Password)
	}
	client := r.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
	where := &url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path}
	if resp.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("%s %s: %q: %w", method, where, text, ErrNotFound)
	}
	return nil, fmt.Errorf("%s %s: %s: %q", method, where, resp.Status, text)
}
