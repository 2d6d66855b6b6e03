package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/verify"
)

// Repository is one repository of a registry. It is both a source and a sink of blobs, and may
// be used concurrently.
type Repository struct {
	host      *host
	registry  string
	name      string   // as in references
	path      string   // as the registry's own address has it
	namespace string   // the query parameter ns of reads
	readers   []reader // where to read from; none: here
	begun     *begun
	foreign   *foreign
	err       error  // of Client.Endpoints
	noPush    error  // why nothing can be pushed
	memory    Memory // of the upload that the repository is for; nil: none
}

// Name is the repository with its registry: docker.io/library/alpine.
func (r *Repository) Name() string { return r.registry + "/" + r.name }

// accepted lists every kind of manifest. A registry answers "not found" for one that it has but that is not
// listed, or converts it; */* is not understood by all.
var accepted = []string{
	v1.MediaTypeImageIndex, v1.MediaTypeImageManifest, image.DockerManifestList, image.DockerManifest,
	image.Schema1Signed, image.Schema1,
}

func (r *Repository) request(ctx context.Context, method, path string, accept ...int) (*request, error) {
	if r.err != nil {
		return nil, r.err
	}
	u, err := r.host.url(ctx, r.path+path)
	if err != nil {
		return nil, err
	}
	actions := "pull"
	if method != http.MethodGet && method != http.MethodHead {
		actions = "pull,push"
		if r.noPush != nil {
			return nil, r.noPush
		}
	} else if r.namespace != "" {
		u.RawQuery = url.Values{"ns": {r.namespace}}.Encode()
	}
	return &request{method: method, url: u, header: http.Header{}, scope: scope(r.path, actions), accept: accept}, nil
}

// Resolve asks for the manifest that a tag or digest stands for and returns its descriptor and bytes.
// The digest is computed from the bytes; where target is a digest, they have been verified against it. A manifest
// in Docker's schema 1 comes without its signatures, which its digest is not of, as image.Schema1.
func (r *Repository) Resolve(ctx context.Context, target string) (d v1.Descriptor, raw []byte, err error) {
	err = r.reading(ctx, isTag(target), func(from *Repository) (err error) {
		d, raw, err = from.resolve(ctx, target)
		return err
	})
	return d, raw, err
}

func isTag(target string) bool { return !strings.Contains(target, ":") }

func (r *Repository) resolve(ctx context.Context, target string) (v1.Descriptor, []byte, error) {
	d, raw, err := r.raw(ctx, target)
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	raw = covered(d.MediaType, raw)
	d.Size = int64(len(raw))
	if d.MediaType, err = manifestType(d.MediaType, raw); err != nil {
		return v1.Descriptor{}, nil, fmt.Errorf("%s:%s: %w", r.Name(), target, err)
	}
	return d, raw, nil
}

// Raw is Resolve for those who want to see a manifest and not to use it: it is taken of whatever kind it is, signatures and all, and
// the descriptor has the media type that the registry says.
func (r *Repository) Raw(ctx context.Context, target string) (d v1.Descriptor, raw []byte, err error) {
	err = r.reading(ctx, isTag(target), func(from *Repository) (err error) {
		d, raw, err = from.raw(ctx, target)
		return err
	})
	return d, raw, err
}

func (r *Repository) raw(ctx context.Context, target string) (v1.Descriptor, []byte, error) {
	req, err := r.request(ctx, http.MethodGet, "/manifests/"+target, http.StatusOK)
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	req.header["Accept"] = accepted
	resp, raw, err := r.host.read(ctx, req, image.MaxManifestSize)
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	mediaType := mediaTypeOf(resp.Header)
	if mediaType == "text/html" {
		return v1.Descriptor{}, nil, refuse("%s:%s: the answer is a web page, not a manifest: is this address a registry?", r.Name(), target)
	}
	hashed := covered(mediaType, raw)
	d := image.Describe(mediaType, hashed)
	if want, err := digest.Parse(target); err == nil {
		d.Digest = want
		if err := verify.Bytes(d, hashed); err != nil {
			return v1.Descriptor{}, nil, fmt.Errorf("%s: manifest %w", r.Name(), err)
		}
	}
	d.Size = int64(len(raw))
	return d, raw, nil
}

// mediaTypeOf is the Content-Type without its parameters, or empty.
func mediaTypeOf(h http.Header) string {
	t, _, _ := mime.ParseMediaType(h.Get("Content-Type")) // a bad parameter leaves the type
	return t
}

// manifestType decides what the bytes are. The document's own word counts where it has one; the
// header must not contradict it.
func manifestType(announced string, raw []byte) (string, error) {
	if !image.IsManifest(announced) {
		announced = "" // text/plain and application/json are seen
	}
	doc, err := image.ParseManifest(announced, raw)
	if errors.Is(err, image.ErrUnsupported) && !image.IsImageManifest(announced) && !image.IsIndex(announced) {
		return image.Schema1, nil
	}
	return doc.MediaType, err
}

// Digest asks what manifest a tag or digest stands for without fetching it. The answer is the registry's word, good
// for deciding that nothing needs to be done. It is empty where the registry has none.
func (r *Repository) Digest(ctx context.Context, target string) (digest.Digest, error) {
	req, err := r.request(ctx, http.MethodHead, "/manifests/"+target, http.StatusOK, http.StatusNotFound, http.StatusMethodNotAllowed)
	if err != nil {
		return "", err
	}
	req.header["Accept"] = accepted
	resp, err := r.host.do(ctx, req)
	if err != nil {
		return "", err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", nil
	}
	d := digest.Digest(resp.Header.Get("Docker-Content-Digest"))
	if verify.Digest(d) != nil {
		return "", nil
	}
	return d, nil
}

// PutManifest stores a manifest under a tag or its digest, unless it is there already. One that names a subject is
// entered into the list of the subject's referrers, where the registry does not do so itself.
func (r *Repository) PutManifest(ctx context.Context, target, mediaType string, raw []byte) error {
	d := image.Describe(mediaType, raw)
	doc, err := image.ParseManifest(mediaType, raw)
	if err != nil {
		return err
	}
	if doc.Subject == nil {
		if there, err := r.Digest(ctx, target); err == nil && there == d.Digest {
			return nil
		}
	}
	answer, err := r.putManifest(ctx, target, mediaType, raw)
	if err != nil || doc.Subject == nil || answer.Get("OCI-Subject") != "" {
		return err
	}
	return r.addReferrer(ctx, d, doc)
}

// ReplaceManifest stores a manifest without asking whether it is there.
func (r *Repository) ReplaceManifest(ctx context.Context, target, mediaType string, raw []byte) error {
	_, err := r.putManifest(ctx, target, mediaType, raw)
	return err
}

func (r *Repository) putManifest(ctx context.Context, target, mediaType string, raw []byte) (http.Header, error) {
	d := image.Describe(mediaType, raw)
	req, err := r.request(ctx, http.MethodPut, "/manifests/"+target, http.StatusCreated, http.StatusOK, http.StatusAccepted)
	if err != nil {
		return nil, err
	}
	req.header.Set("Content-Type", mediaType)
	req.body = bytesBody(raw)
	resp, err := r.host.do(ctx, req)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	if got := digest.Digest(resp.Header.Get("Docker-Content-Digest")); verify.Digest(got) == nil && got.Algorithm() == d.Digest.Algorithm() && got != d.Digest {
		return nil, fmt.Errorf("%s: the registry stored manifest %s as %s: %w", r.Name(), d.Digest, got, ErrIntegrity)
	}
	return resp.Header, nil
}

func bytesBody(p []byte) *body {
	return &body{length: int64(len(p)), open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p)), nil }}
}

// resolveLocation reads the address that an upload goes on at. It may be relative and is used with its
// query as it is, which holds the registry's state.
func resolveLocation(resp *http.Response) (*url.URL, error) {
	l := resp.Header.Get("Location")
	if l == "" {
		return nil, refuse("%s %s: the answer names no Location to upload to", resp.Request.Method, redact(resp.Request.URL))
	}
	from := resp.Request.URL
	u, err := from.Parse(l)
	if err != nil {
		return nil, refuse("%s: invalid upload Location", redact(from))
	}
	if from.Scheme == "https" && u.Scheme == "http" && u.Hostname() == from.Hostname() {
		u.Scheme, u.Host = "https", from.Host // a registry that does not know of the TLS proxy before it
	}
	if err := checkHop(from, u); err != nil {
		return nil, err
	}
	return u, nil
}

// Path is what the repository is called in its registry: library/alpine.
func (r *Repository) Path() string { return r.path }

// Registry is the name of the registry: docker.io.
func (r *Repository) Registry() string { return r.registry }

// Root is the address of the API that the repository is pushed to, without a scheme unless one was given. Registries of one name may differ in it.
func (r *Repository) Root() string { return r.host.at.String() }

// SameRegistry reports whether two repositories are in the same registry, so that blobs can be mounted
// from one into the other.
func (r *Repository) SameRegistry(other *Repository) bool { return r.host == other.host }
