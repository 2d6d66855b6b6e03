package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/plaintext"
	"drayage/internal/verify"
)

// Limits on referrers. Signed images have a handful, few have hundreds.
const (
	maxReferrerPages = 100
	maxReferrerBytes = 16 << 20
	maxReferrers     = 10_000
)

// Referrers lists the manifests that name d as their subject: signatures, SBOMs and the like. A registry
// without the referrers API is asked for the tag that stands in for it.
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

func (p *place) referrersAPI(ctx context.Context, d digest.Digest) (all []v1.Descriptor, _ error) {
	req, err := p.request(ctx, http.MethodGet, "/referrers/"+d.String(), http.StatusOK)
	if err != nil {
		return nil, err
	}
	pages := pager{what: "referrers of " + d.String(), most: maxReferrerPages, size: maxReferrerBytes,
		host: p.host, first: req}
	pages.add = func(h http.Header, raw []byte) (int, error) {
		list, err := parseReferrers(raw)
		switch mediaTypeOf(h) {
		case v1.MediaTypeImageIndex:
		case "", "application/json":
			if err != nil {
				return 0, errNoReferrersAPI
			}
		default:
			return 0, errNoReferrersAPI
		}
		if err != nil {
			return 0, fmt.Errorf("referrers of %s: %w", d, err)
		}
		if all = append(all, list...); len(all) > maxReferrers {
			return 0, fmt.Errorf("referrers of %s: more than %d", d, maxReferrers)
		}
		return len(list), nil
	}
	err = pages.read(ctx)
	if len(all) == 0 && (isRefused(err) || isAnswer(err) && errors.Is(err, ErrNotFound)) {
		return nil, errNoReferrersAPI
	}
	return all, err
}

// parseReferrers reads an index of referrers. Some registries leave out an empty list.
func parseReferrers(raw []byte) ([]v1.Descriptor, error) {
	raw = plaintext.UTF8(raw)
	var fields struct {
		SchemaVersion, Config, Manifests json.RawMessage
	}
	if json.Unmarshal(raw, &fields) == nil && fields.SchemaVersion != nil && fields.Config == nil &&
		fields.Manifests == nil {
		return nil, nil
	}
	index, err := image.ParseManifest(v1.MediaTypeImageIndex, raw)
	return index.Manifests, err
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
	return index.Manifests, err
}

// ReferrersTag is the tag under which a registry without the referrers API keeps the referrers of d
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#referrers-tag-schema).
func ReferrersTag(d digest.Digest) string {
	algorithm, encoded := d.Algorithm().String(), d.Encoded()
	return algorithm[:min(len(algorithm), 32)] + "-" + encoded[:min(len(encoded), 64)]
}

// CosignTags are the tags under which cosign puts the signatures, attestations and SBOM of the manifest d
// where it does not use referrers.
func CosignTags(d digest.Digest) []string {
	stem := ReferrersTag(d)
	return []string{stem + ".sig", stem + ".att", stem + ".sbom"}
}
