// Package registry reads images from registries and writes images into them. It speaks the OCI Distribution
// protocol (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md) as real registries do.
//
// Parse a name with [ParseReference] and make one [Client] for all registries. [Client.Repository] gives a
// [Repository] for reading: [Repository.Resolve] returns a manifest, and the Repository itself is an
// [image.Source] of blobs. [Repository.Pusher] gives a [Pusher] for writing: blobs first, then manifests.
//
// A manifest that is asked for by its digest is verified before Resolve returns it, and a blob is verified
// while it is pushed. What [Repository.Open] returns is not verified: read it through [image.NewReader],
// which also resumes a download that broke off. Requests are repeated where another try may help. Credentials go to
// the registry that they are for. They never follow a redirect to another host, port or scheme.
package registry
