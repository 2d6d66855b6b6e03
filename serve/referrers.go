package serve

import (
	"net/url"
	"strconv"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/limits"
)

// referrers answers with an index of what names a manifest as its subject
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers). An index that
// would be larger than clients take comes in pages.
func (x *exchange) referrers(*Repository) *problem {
	d, p := x.digest()
	if p != nil {
		return p
	}
	release, err := x.registry.papers.take(x.req.Context(), 2*image.MaxManifestSize) // a manifest, and the index
	if err != nil {
		x.Err, x.Cut = err, true
		return nil
	}
	defer release()
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex,
		Manifests: []v1.Descriptor{}}
	query := x.req.URL.Query()
	wanted := query.Get("artifactType")
	if wanted != "" {
		x.w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	all := x.catalog.referring[d]
	begin, _ := pageSize(query.Get("after")) // 0 if there is none
	size := 0
	for i := min(begin, len(all)); i < len(all); i++ {
		one, listed, p := x.referrer(d, all[i].Digest, wanted)
		if p != nil {
			return p
		}
		if !listed {
			continue
		}
		size += sizeOf(one)
		if len(index.Manifests) == limits.Referrers || len(index.Manifests) > 0 && size > image.MaxManifestSize {
			query.Set("after", strconv.Itoa(i))
			next := url.URL{Path: x.req.URL.Path, RawQuery: query.Encode()}
			x.w.Header().Set("Link", "<"+next.String()+`>; rel="next"`)
			break
		}
		index.Manifests = append(index.Manifests, one)
	}
	return x.document(v1.MediaTypeImageIndex, index)
}

// referrer describes one that belongs to subject. It is not listed if it is not here, or not what is wanted.
func (x *exchange) referrer(
	subject, d digest.Digest, wanted string,
) (_ v1.Descriptor, listed bool, _ *problem) {
	desc, at, err := x.catalog.find(d)
	if err != nil {
		return v1.Descriptor{}, false, nil
	}
	mediaType, raw, err := x.readManifest(at, desc)
	if err != nil {
		return v1.Descriptor{}, false, lacking(codeManifestUnknown, "referrer "+d.String(), err)
	}
	m, err := image.ParseManifest(mediaType, raw)
	if err != nil || m.Subject == nil || m.Subject.Digest != subject || wanted != "" && m.Artifact() != wanted {
		return v1.Descriptor{}, false, nil
	}
	return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(raw)), ArtifactType: m.Artifact(),
		Annotations: m.Annotations}, true, nil
}

// sizeOf is about how many bytes a descriptor takes in an index.
func sizeOf(d v1.Descriptor) int {
	size := 256 + len(d.MediaType) + len(d.ArtifactType)
	for key, value := range d.Annotations {
		size += len(key) + len(value) + 6
	}
	return size
}
