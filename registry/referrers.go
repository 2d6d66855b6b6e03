package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/verify"
)

// maxReferrerPages bounds the answers that a list of referrers may be spread over.
const maxReferrerPages = 100

// maxReferrers bounds how many they may be together. Signed images have a handful, few have hundreds.
const maxReferrers = 10_000

// ReferrersTag is the tag under which a registry without the referrers API keeps the list for a digest
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#referrers-tag-schema).
func ReferrersTag(d digest.Digest) string {
	algorithm, encoded := d.Algorithm().String(), d.Encoded()
	return algorithm[:min(len(algorithm), 32)] + "-" + encoded[:min(len(encoded), 64)]
}

// Referrers lists the manifests that name d as their subject: signatures, SBOMs and the like. A registry that does not have
// the API for it is asked for the tag that stands in for it.
func (r *Repository) Referrers(ctx context.Context, d digest.Digest) ([]v1.Descriptor, error) {
	if err := verify.Digest(d); err != nil {
		return nil, err
	}
	all, err := r.own.referrersAPI(ctx, d)
	if errors.Is(err, errNoReferrersAPI) {
		all, err = r.own.referrersTag(ctx, d)
	}
	return all, err
}

var errNoReferrersAPI = errors.New("no referrers API")

func (p *place) referrersAPI(ctx context.Context, d digest.Digest) ([]v1.Descriptor, error) {
	req, err := p.request(ctx, http.MethodGet, "/referrers/"+d.String(), http.StatusOK)
	if err != nil {
		return nil, err
	}
	var all []v1.Descriptor
	for range maxReferrerPages {
		resp, raw, err := p.host.read(ctx, req, image.MaxManifestSize)
		if isStatus(err, http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotImplemented) {
			return nil, errNoReferrersAPI
		}
		if err != nil {
			return nil, err
		}
		if mediaTypeOf(resp.Header) != v1.MediaTypeImageIndex {
			return nil, errNoReferrersAPI
		}
		index, err := image.ParseManifest(v1.MediaTypeImageIndex, raw)
		if err != nil {
			return nil, fmt.Errorf("referrers of %s: %w", d, err)
		}
		if all = append(all, index.Manifests...); len(all) > maxReferrers {
			return nil, fmt.Errorf("referrers of %s: more than %d", d, maxReferrers)
		}
		next, err := nextPage(req.url, resp)
		if err != nil || next == nil {
			return all, err
		}
		req = &request{method: http.MethodGet, url: next, header: http.Header{}, scope: req.scope, accept: req.accept}
	}
	return nil, fmt.Errorf("referrers of %s: more than %d pages", d, maxReferrerPages)
}

func (p *place) referrersTag(ctx context.Context, d digest.Digest) ([]v1.Descriptor, error) {
	_, raw, err := p.resolve(ctx, ReferrersTag(d))
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	index, err := image.ParseManifest("", raw)
	if err != nil {
		return nil, err
	}
	return index.Manifests, nil
}

// CosignTags are the tags under which cosign puts the signatures, attestations and SBOM of the manifest d
// where it does not use referrers.
func CosignTags(d digest.Digest) []string {
	stem := ReferrersTag(d)
	return []string{stem + ".sig", stem + ".att", stem + ".sbom"}
}
