// Package registry speaks the OCI Distribution protocol
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md) as real registries do:
// pull and push of manifests and blobs, authentication, retry. Parse a name with [ParseReference],
// make one [Client] for all, and work through its [Client.Repository].
package registry
