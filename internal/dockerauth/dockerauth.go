// Package dockerauth finds and keeps credentials for registries where docker and podman do: in their
// configuration files and in credential helpers, which are programs named docker-credential-NAME
// (https://docs.docker.com/reference/cli/docker/login/#credential-stores). [Store.Lookup] finds credentials,
// [Store.Save] keeps them and [Store.Remove] forgets them. No secret is ever part of an error or a warning.
package dockerauth

import (
	"context"
	"os"
	"sync"
	"time"
)

// Credential is what a user logs in to a registry with. The zero value is anonymous.
type Credential struct {
	Username      string
	Password      string
	IdentityToken string // exchanged for short-lived tokens instead of a password
	RegistryToken string // sent to the registry as it is
}

// Options say where to look. The zero value looks where docker and podman do.
type Options struct {
	// AuthFile, if set, is the only file that is read and written, in docker's or podman's format. The
	// environment variable REGISTRY_AUTH_FILE sets it too.
	AuthFile string

	// Strict makes Lookup fail where a credential helper fails or a file is damaged. Otherwise Lookup calls
	// Warn and goes on without that place.
	Strict bool

	// Warn gets a line about each thing that went wrong and did not stop a call. It may be called
	// concurrently. It may be nil.
	Warn func(message string)

	// Getenv is asked for environment variables. nil means os.Getenv. Helpers run with the environment of the
	// process.
	Getenv func(string) string

	// HelperTimeout is how long a credential helper may take; 0 means two minutes. A helper may ask its user
	// for a password.
	HelperTimeout time.Duration
}

// Store finds and keeps credentials. It may be used concurrently.
type Store struct {
	opts    Options
	helpers helperCache
	sources func() []source // reads the files once
	told    sync.Map        // messages that Warn has had
}

// New returns a store. Nothing is read before it is needed.
func New(opts Options) *Store {
	if opts.Getenv == nil {
		opts.Getenv = os.Getenv
	}
	if opts.HelperTimeout <= 0 {
		opts.HelperTimeout = 2 * time.Minute
	}
	s := &Store{opts: opts, helpers: helperCache{now: time.Now}}
	s.sources = sync.OnceValue(s.readSources)
	return s
}

// Error says that a place of credentials cannot be used.
type Error struct {
	Place   string // a file, an environment variable or a credential helper
	Problem string
}

func (e *Error) Error() string { return e.Place + ": " + e.Problem }

// Lookup returns the credentials for a repository of a registry (host[:port], or docker.io), or the zero
// Credential if there are none. It reads each file once, and asks a helper again after some minutes. Of
// several credentials the first counts, in this order: the environment variable DOCKER_AUTH_CONFIG; the
// AuthFile of Options, or else docker's file and then podman's. In each file a helper comes before the
// entries, and the entry for the longest part of the repository's path comes first.
func (s *Store) Lookup(ctx context.Context, registry, repository string) (Credential, error) {
	for _, src := range s.sources() {
		c, err := s.lookIn(ctx, &src, registry, repository)
		if err != nil || c != (Credential{}) {
			return c, err
		}
	}
	return Credential{}, nil
}

func (s *Store) lookIn(ctx context.Context, src *source, registry, repository string) (Credential, error) {
	if src.err != nil {
		return Credential{}, s.tolerate(ctx, src.err, src.must || s.opts.Strict && !src.may)
	}
	if name := src.config.helper(registry); name != "" && !src.entriesOnly {
		c, err := s.helpers.get(ctx, helper{name, src.place, s.opts.HelperTimeout}, registry)
		if err := s.tolerate(ctx, err, s.opts.Strict); err != nil || c != (Credential{}) {
			return c, err
		}
	}
	key, entry, ok := src.config.find(registry, repository)
	if !ok {
		return Credential{}, nil
	}
	c, err := entry.credential(src.place, key)
	return c, s.tolerate(ctx, err, s.opts.Strict)
}

// tolerate makes a warning of an error, unless the error must end the search.
func (s *Store) tolerate(ctx context.Context, err error, must bool) error {
	if err == nil || ctx.Err() != nil || must {
		return err
	}
	s.warn(err.Error() + "; going on without it")
	return nil
}

// warn tells each message once.
func (s *Store) warn(message string) {
	if _, told := s.told.LoadOrStore(message, true); !told && s.opts.Warn != nil {
		s.opts.Warn(message)
	}
}
