package engineconfig

import (
	"context"
	"sync"

	"drayage/internal/dockerauth"
	"drayage/registry"
)

// Logins finds what the user of this machine logs in to registries with: in docker's config.json, in podman's
// auth.json, and in the credential helpers that these name. The zero value searches where docker and podman do
// (https://docs.docker.com/reference/cli/docker/login/#credential-stores). It may be used concurrently. Its fields must
// not change after the first use.
type Logins struct {
	// AuthFile, if set, is the only file that is read, in docker's or podman's format. The environment variable
	// REGISTRY_AUTH_FILE sets it too.
	AuthFile string

	// Strict makes Credential fail if a credential helper fails or a file is damaged. Otherwise the search goes on
	// without the one that failed, and may end with no credential.
	Strict bool

	// Warn is told, in one line without secrets, what went wrong and did not end a search. It may be called
	// concurrently. nil means that nobody is told.
	Warn func(message string)

	open  sync.Once
	store *dockerauth.Store
}

// Credential returns the credential for a repository of a registry, or for the registry if repository is empty. It
// returns the zero Credential if there is none. It reads files once. It asks a credential helper again after some
// minutes, because some helpers give out passwords that expire. Its signature is that of registry.Client.Credentials.
func (l *Logins) Credential(ctx context.Context, host, repository string) (registry.Credential, error) {
	l.open.Do(func() {
		l.store = dockerauth.New(dockerauth.Options{AuthFile: l.AuthFile, Strict: l.Strict, Warn: l.Warn})
	})
	found, err := l.store.Lookup(ctx, host, repository)
	return registry.Credential(found), err
}
