package registry

import "github.com/opencontainers/go-digest"

// CosignTags are the tags under which cosign puts what belongs to the manifest d where it does not use referrers: its
// signatures, attestations and SBOM.
func CosignTags(d digest.Digest) []string {
	stem := ReferrersTag(d)
	return []string{stem + ".sig", stem + ".att", stem + ".sbom"}
}
