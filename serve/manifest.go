package serve

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// manifest answers with a manifest, by tag or digest.
func (x *exchange) manifest(r *Repository) *problem {
	d, p := x.manifestDigest(r)
	if p != nil {
		return p
	}
	return x.somewhere(codeManifestUnknown, "manifest", d, func(at place, desc v1.Descriptor) (*problem, error) {
		if x.unchanged(d) {
			return nil, nil
		}
		release, err := x.registry.papers.take(x.req.Context(), min(desc.Size, image.MaxManifestSize))
		if err != nil {
			return nil, err
		}
		defer release()
		mediaType, raw, err := x.readManifest(at, desc)
		if err != nil {
			return nil, err
		}
		if mediaType == "" {
			return &problem{http.StatusNotFound, codeManifestUnknown, d.String() + " is a blob here", nil}, nil
		}
		x.registry.foreign.note(raw)
		h := x.w.Header()
		h.Set("Docker-Content-Digest", d.String())
		h.Set("ETag", etag(d))
		x.whole(http.StatusOK, mediaType, raw)
		return nil, nil
	})
}

// unchanged answers a client that has what it asks for already.
func (x *exchange) unchanged(d digest.Digest) bool {
	if !matches(x.req.Header.Values("If-None-Match"), etag(d)) {
		return false
	}
	x.w.Header().Set("Docker-Content-Digest", d.String())
	x.w.Header().Set("ETag", etag(d))
	x.Status = http.StatusNotModified
	x.w.WriteHeader(x.Status)
	return true
}

// manifestDigest is the digest of the manifest that the request names.
func (x *exchange) manifestDigest(r *Repository) (digest.Digest, *problem) {
	if strings.Contains(x.Reference, ":") {
		return x.digest()
	}
	if root, found := r.tagged(x.Reference); found {
		return root.Digest, nil
	}
	if root, found := x.catalog.belonging[x.Reference]; found { // its subject may be anywhere in an index
		return root.Digest, nil
	}
	return "", &problem{http.StatusNotFound, codeManifestUnknown,
		fmt.Sprintf("there is no tag %.150q in %s", x.Reference, r.Name), nil}
}

// readManifest returns the verified bytes of a manifest on a shelf. Without a media type it is none.
func (x *exchange) readManifest(at place, d v1.Descriptor) (mediaType string, raw []byte, err error) {
	if d.Size > image.MaxManifestSize {
		return "", nil, nil
	}
	raw, err = image.ReadAll(x.req.Context(), at.content(), d, image.MaxManifestSize)
	if err != nil {
		return "", nil, err
	}
	return x.catalog.mediaType(d.Digest, raw), raw, nil
}

// mediaType tells the media type of a manifest: what the manifest says, or else whoever has listed it, or
// else its fields. It is empty if these are no manifest's.
func (c *Catalog) mediaType(d digest.Digest, raw []byte) string {
	listed := c.types[d]
	document, err := image.ParseManifest(listed, raw)
	if err != nil {
		document, err = image.ParseManifest("", raw)
	}
	switch {
	case err == nil:
		return document.MediaType
	case !document.FSLayers || image.IsManifest(listed):
		return listed
	case bytes.Contains(raw, []byte(`"signatures"`)):
		return image.Schema1Signed
	}
	return image.Schema1
}

// etag is the entity tag of a blob or manifest.
func etag(d digest.Digest) string { return `"` + d.String() + `"` }

// matches reports whether a header with entity tags has one.
func matches(headers []string, tag string) bool {
	for _, h := range headers {
		for one := range strings.SplitSeq(h, ",") {
			if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}
