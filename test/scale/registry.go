// Package scale runs several drayage processes against one registry that keeps its blobs in an S3 store, and
// measures what comes of it. [Start] runs the registry, [Fill] makes images, and [Run] runs the processes.
package scale

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/s3-aws" // where blobs are kept
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sirupsen/logrus"

	"drayage/test/faultreg"
)

const bucket = "registry"

// Registry is CNCF distribution with its S3 driver, before an S3 store in memory.
type Registry struct {
	*faultreg.Server // with the ledger of all requests

	app   *handlers.App
	store *httptest.Server
}

// Start runs a registry whose answers come after latency, as if it were far away. The caller closes it.
func Start(ctx context.Context, latency time.Duration) (*Registry, error) {
	logrus.SetOutput(io.Discard)
	logrus.SetLevel(logrus.PanicLevel)
	kept := s3mem.New()
	if err := kept.CreateBucket(bucket); err != nil {
		return nil, err
	}
	r := &Registry{store: httptest.NewServer(gofakes3.New(kept).Server())}
	config := &configuration.Configuration{Storage: configuration.Storage{
		"s3": configuration.Parameters{
			"accesskey": "any", "secretkey": "any", "region": "us-east-1", "regionendpoint": r.store.URL,
			"bucket": bucket, "secure": false, "forcepathstyle": true, "rootdirectory": "/registry",
		},
		"delete":      configuration.Parameters{"enabled": true},
		"redirect":    configuration.Parameters{"disable": true},
		"maintenance": configuration.Parameters{"uploadpurging": map[any]any{"enabled": false}},
	}}
	config.HTTP.Secret = "signs the state of uploads"
	var err error
	if r.app, err = newApp(ctx, config); err != nil {
		r.store.Close()
		return nil, err
	}
	r.Server = faultreg.Start(far(latency, r.app), false)
	return r, nil
}

// newApp turns distribution's panics about its configuration into errors.
func newApp(ctx context.Context, config *configuration.Configuration) (app *handlers.App, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("distribution: %v", p)
		}
	}()
	return handlers.NewApp(ctx, config), nil
}

// far answers each request later.
func far(latency time.Duration, next http.Handler) http.Handler {
	if latency == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		select {
		case <-time.After(latency):
			next.ServeHTTP(w, req)
		case <-req.Context().Done():
		}
	})
}

// Close stops the registry and its store.
func (r *Registry) Close() {
	r.Server.Close()
	r.app.Shutdown()
	r.store.CloseClientConnections()
	r.store.Close()
}

// Sent counts how often each blob was sent.
func (r *Registry) Sent() map[digest.Digest]int {
	n := map[digest.Digest]int{}
	for _, e := range r.Requests(http.MethodPut, "/blobs/uploads/") {
		if q, err := url.ParseQuery(e.Query); err == nil && e.Status == http.StatusCreated {
			n[digest.Digest(q.Get("digest"))]++
		}
	}
	return n
}

// Mounts counts the blobs that were taken over from another repository.
func (r *Registry) Mounts() (n int) {
	for _, e := range r.Requests(http.MethodPost, "/blobs/uploads/") {
		if e.Status == http.StatusCreated && strings.Contains(e.Query, "mount=") {
			n++
		}
	}
	return n
}

// get asks the registry, past the ledger and without latency.
func (r *Registry) get(path string) (int, []byte) {
	req := httptest.NewRequest(http.MethodGet, "http://registry/v2/"+path, nil)
	req.Header.Set("Accept", v1.MediaTypeImageManifest)
	answer := httptest.NewRecorder()
	r.app.ServeHTTP(answer, req)
	return answer.Code, answer.Body.Bytes()
}

// Holds checks that the registry has an image below a prefix, every byte of it: each blob in the image's own
// repository. Blobs that are in seen are not read again, but asked for.
func (r *Registry) Holds(prefix string, im Image, seen map[digest.Digest]bool) error {
	repository := prefix + im.Repository
	status, raw := r.get(repository + "/manifests/" + im.Tag)
	if status != http.StatusOK || digest.FromBytes(raw) != im.Manifest.Digest {
		return fmt.Errorf("%s:%s: status %d, %s, want %s", repository, im.Tag, status, digest.FromBytes(raw),
			im.Manifest.Digest)
	}
	for _, d := range im.Blobs {
		path := repository + "/blobs/" + d.Digest.String()
		if seen[d.Digest] {
			answer := httptest.NewRecorder()
			r.app.ServeHTTP(answer, httptest.NewRequest(http.MethodHead, "http://registry/v2/"+path, nil))
			if answer.Code != http.StatusOK {
				return fmt.Errorf("%s: status %d", path, answer.Code)
			}
			continue
		}
		status, raw := r.get(path)
		if status != http.StatusOK || digest.FromBytes(raw) != d.Digest {
			return fmt.Errorf("%s: status %d, %d bytes of %s", path, status, len(raw), digest.FromBytes(raw))
		}
		seen[d.Digest] = true
	}
	return nil
}
