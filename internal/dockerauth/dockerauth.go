// Package dockerauth finds and keeps the credentials of registries where docker and podman do: in their
// configuration files, and in credential helpers, which are programs named docker-credential-NAME
// (https://docs.docker.com/reference/cli/docker/login/#credential-stores). Store.Lookup finds them.
// Store.Save and Store.Remove change them. No error and no warning holds a secret.
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

	// Strict makes Lookup fail if a credential helper fails or a file is damaged. Otherwise Lookup tells Warn
	// and goes on without it.
	Strict bool

	// Warn is told, in one line, what went wrong and did not end a call. It may be called concurrently. nil
	// means that nobody is told.
	Warn func(message string)

	// Getenv is asked for environment variables. nil means os.Getenv. Helpers run with the environment of the
	// process.
	Getenv func(string) string

	// HelperTimeout is how long a credential helper may take. A helper may ask its user for a password. 0 means
	// two minutes.
	HelperTimeout time.Duration
}

// Store finds and keeps credentials. It may be used concurrently.
type Store struct {
	opts    Options
	helpers helperCache

	load    sync.Once
	sources []source

	mu   sync.Mutex
	told map[string]bool // warnings that have been given
}

// New returns a store. Nothing is read before it is needed.
func New(opts Options) *Store {
	if opts.Getenv == nil {
		opts.Getenv = os.Getenv
	}
	if opts.HelperTimeout <= 0 {
		opts.HelperTimeout = 2 * time.Minute
	}
	return &Store{opts: opts}
}

// Error says that a place of credentials cannot be used.
type Error struct {
	Place   string // a file, an environment variable or a credential helper
	Problem string
}

func (e *Error) Error() string { return e.Place + ": " + e.Problem }

// Lookup returns the credentials for a repository of a registry, which is host[:port] or docker.io. It
// returns the zero Credential if there are none. It reads files once. It asks a helper again after some
// minutes.
//
// Of several credentials the first one counts, in this order: the environment variable DOCKER_AUTH_CONFIG,
// then the one file of Options, or else docker's files before podman's. In each file its helper comes before
// the entries of the file itself. Of these the one for the longest part of the repository's path counts.
func (s *Store) Lookup(ctx context.Context, registry, repository string) (Credential, error) {
	s.load.Do(func() { s.sources = readSources(s.places()) })
	for i := range s.sources {
		c, err := s.lookIn(ctx, &s.sources[i], registry, repository)
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
		h := helper{name: name, file: src.place, timeout: s.opts.HelperTimeout}
		c, err := s.helpers.get(ctx, h, registry)
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

// tolerate makes a warning of an error that need not end a search.
func (s *Store) tolerate(ctx context.Context, err error, must bool) error {
	if err == nil || ctx.Err() != nil || must {
		return err
	}
	s.warn(err.Error() + "; going on without it")
	return nil
}

// warn tells each thing once.
func (s *Store) warn(message string) {
	s.mu.Lock()
	told := s.told[message]
	if s.told == nil {
		s.told = map[string]bool{}
	}
	s.told[message] = true
	s.mu.Unlock()
	if s.opts.Warn != nil && !told {
		s.opts.Warn(message)
	}
}
