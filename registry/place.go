package registry

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/schema1"
	"drayage/internal/verify"
)

// place is a repository as one endpoint has it. Its methods make requests.
type place struct {
	host      *host
	registry  string
	name      string // as in references
	path      string // as the endpoint has it
	namespace string // the query parameter ns of reads
	tags      bool   // manifests are asked for by tag, and
	digests   bool   // manifests and blobs by digest
	noRead    error  // why nothing can be asked: the error of Client.Endpoints
	noPush    error  // why nothing can be pushed
}

func (p *place) Name() string { return p.registry + "/" + p.name }

func (p *place) request(ctx context.Context, method, path string, accept ...int) (*request, error) {
	actions, err := "pull,push", p.noPush
	reads := method == http.MethodGet || method == http.MethodHead
	if reads {
		actions, err = "pull", p.noRead
	}
	if err != nil {
		return nil, err
	}
	u, err := p.host.url(ctx, p.path+path)
	if err != nil {
		return nil, err
	}
	if reads && p.namespace != "" {
		u.RawQuery = url.Values{"ns": {p.namespace}}.Encode()
	}
	req := &request{method: method, url: u, header: http.Header{}, scope: scope(p.path, actions), accept: accept}
	if reads && strings.HasPrefix(path, "/manifests/") {
		req.header["Accept"] = accepted
	}
	return req, nil
}

// ask sends a request that is no more than its path, and returns the answer without its body.
func (p *place) ask(ctx context.Context, method, path string, accept ...int) (*http.Response, error) {
	req, err := p.request(ctx, method, path, accept...)
	if err != nil {
		return nil, err
	}
	return p.host.answer(ctx, req)
}

// accepted lists all kinds of manifests. A registry answers "not found" for a manifest of a kind that is not
// listed, or converts it. Some registries do not understand */*.
var accepted = []string{
	v1.MediaTypeImageIndex, v1.MediaTypeImageManifest, image.DockerManifestList, image.DockerManifest,
	image.Schema1Signed, image.Schema1, image.OCIArtifact, image.ORASArtifact,
}

func isTag(target string) bool { return !strings.Contains(target, ":") }

func (p *place) resolve(ctx context.Context, target string) (v1.Descriptor, []byte, error) {
	d, raw, err := p.raw(ctx, target)
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	raw = covered(d.MediaType, raw)
	d.Size = int64(len(raw))
	if d.MediaType, err = manifestType(d.MediaType, raw); err != nil {
		return v1.Descriptor{}, nil, fmt.Errorf("%s:%s: %w", p.Name(), target, err)
	}
	return d, raw, nil
}

func (p *place) raw(ctx context.Context, target string) (v1.Descriptor, []byte, error) {
	req, err := p.request(ctx, http.MethodGet, "/manifests/"+target, http.StatusOK)
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	resp, raw, err := p.host.read(ctx, req, image.MaxManifestSize)
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	mediaType := mediaTypeOf(resp.Header)
	if isPage(resp.Header) {
		return v1.Descriptor{}, nil, refusePage("%s:%s: the answer is a web page, not a manifest: "+
			"is this address a registry?", p.Name(), target)
	}
	hashed := covered(mediaType, raw)
	d := image.Describe(mediaType, hashed)
	if want, err := digest.Parse(target); err == nil {
		d.Digest = want
		if err := verify.Bytes(d, hashed); err != nil {
			return v1.Descriptor{}, nil, fmt.Errorf("%s: manifest %w", p.Name(), err)
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

// isPage reports whether an answer is a web page. Login pages come with status 200 too. Some registries call
// blobs and manifests web pages, but do not hide what they are themselves.
func isPage(h http.Header) bool {
	return mediaTypeOf(h) == "text/html" &&
		h.Get("Docker-Distribution-Api-Version")+h.Get("Docker-Content-Digest") == ""
}

// manifestType decides what kind of manifest the bytes are. The document's own word counts where it has one;
// the header must not contradict it.
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

// covered is the part of a manifest that its digest is computed from: all of it, or of Docker's schema 1 what
// the signatures sign.
func covered(announced string, raw []byte) []byte {
	if image.IsImageManifest(announced) || image.IsIndex(announced) {
		return raw
	}
	payload, err := schema1.Payload(raw)
	if err != nil {
		return raw
	}
	// The payload decides, and not what the server calls it: of no other document a part may stand for all.
	if _, err := image.ParseManifest("", payload); errors.Is(err, image.ErrUnsupported) {
		return payload
	}
	return raw
}

func (p *place) post(ctx context.Context) (*request, error) {
	req, err := p.request(ctx, http.MethodPost, "/blobs/uploads/", http.StatusAccepted, http.StatusCreated)
	if err == nil {
		req.body = bytesBody(nil)
	}
	return req, err
}
