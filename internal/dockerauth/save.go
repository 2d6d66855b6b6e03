package dockerauth

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"drayage/internal/durable"
	"drayage/internal/filelock"
)

// Place is where credentials are kept.
type Place struct {
	File   string // the configuration
	Helper string // the program that has the secret; empty: the file has it, not encrypted
}

// Save keeps c for a registry where docker would: in the helper that is configured for the registry, or else
// in the configuration file, which only its owner can read afterwards. c has a user name with a password, or
// an identity token. Everything else in the file stays. When Save returns, the change is durable. On error
// the file has not changed.
func (s *Store) Save(ctx context.Context, registry string, c Credential) (Place, error) {
	switch {
	case c.Username == "" && c.IdentityToken == "":
		return Place{}, errors.New("credentials without a user name cannot be kept")
	case strings.Contains(c.Username, ":"):
		return Place{}, errors.New("a user name with a colon cannot be kept")
	}
	place := Place{File: s.target()}
	if place.File == "" {
		return place, errors.New("no place for credentials: neither DOCKER_CONFIG nor a home directory is set")
	}
	err := s.change(ctx, place.File, func(conf *config, doc *document) error {
		kept := c
		if name := conf.helper(registry); name != "" {
			h := helper{name, place.File, s.opts.HelperTimeout}
			if err := h.store(ctx, serverKey(registry), c); err != nil {
				return err
			}
			place.Helper, kept = h.binary(), Credential{}
		}
		return doc.setAuth(registry, kept)
	})
	if err == nil {
		s.warnShadowed(registry)
	}
	return place, err
}

// Remove forgets what Save has kept for a registry. It reports where that was and whether there was
// something. Credentials in other places stay. Warn gets a line about each of them that is in a file.
func (s *Store) Remove(ctx context.Context, registry string) (place Place, removed bool, err error) {
	place.File = s.target()
	if place.File == "" {
		return place, false, nil
	}
	if _, err := os.Stat(place.File); err == nil {
		err := s.change(ctx, place.File, func(conf *config, doc *document) error {
			if name := conf.helper(registry); name != "" {
				h := helper{name, place.File, s.opts.HelperTimeout}
				var err error
				if removed, err = h.erase(ctx, registry); err != nil {
					return err
				}
				place.Helper = h.binary()
			}
			_, _, inFile := conf.find(registry, "")
			removed = removed || inFile
			doc.removeAuth(registry)
			return nil
		})
		if err != nil {
			return place, false, err
		}
	}
	s.warnLeft(registry, place.File)
	return place, removed, nil
}

// target is the file that Save and Remove write.
func (s *Store) target() string { return cmp.Or(s.chosenFile(), s.dockerFile()) }

func (s *Store) change(ctx context.Context, path string, edit func(*config, *document) error) error {
	return rewrite(ctx, path, func(old []byte) ([]byte, error) {
		conf, err := parseConfig(old, false)
		if err != nil {
			return nil, &Error{path, err.Error()}
		}
		doc, err := parseDocument(old)
		if err != nil {
			return nil, &Error{path, err.Error()}
		}
		before := doc.bytes()
		if err := edit(&conf, doc); err != nil {
			return nil, err
		}
		after := doc.bytes()
		if bytes.Equal(after, before) {
			return old, nil // so its spaces stay too
		}
		return after, nil
	})
}

// warnShadowed says that a search will not come to the credentials that Save has kept.
func (s *Store) warnShadowed(registry string) {
	for _, src := range s.readSources() {
		if !src.entriesOnly {
			return
		}
		if _, _, ok := src.config.find(registry, ""); ok {
			s.warn(fmt.Sprintf("%s has credentials for %s too, and they come first", src.place, registry))
		}
	}
}

// warnLeft says that a user who has logged out is still logged in.
func (s *Store) warnLeft(registry, removed string) {
	for _, src := range s.readSources() {
		if _, _, ok := src.config.find(registry, ""); ok && src.place != removed {
			s.warn(fmt.Sprintf("%s still has credentials for %s", src.place, registry))
		}
	}
}

// maxLocks is how often a lock file may vanish during the wait for it. Each time another program has done its
// work.
const maxLocks = 1000

// rewrite replaces the content of the file at path by what change makes of it. If there is no file, old is
// nil, and rewrite makes one. It holds a lock, so that no other drayage changes the file at the same time. If
// change fails or changes nothing, the file stays as it is.
func rewrite(ctx context.Context, path string, change func(old []byte) ([]byte, error)) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // the file is replaced, not the link to it
	} else if fi, err := os.Lstat(path); err == nil && fi.Mode()&fs.ModeSymlink != 0 {
		return &Error{path, "a link to something that is not there"}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer root.Close()
	name := filepath.Base(path)
	unlock, err := lock(ctx, root, name+".lock")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer unlock()
	old, fi, err := readOld(root, name)
	if err != nil {
		return &Error{path, durable.Cause(err).Error()}
	}
	text, err := change(old)
	if err != nil || bytes.Equal(text, old) {
		return err
	}
	if err := replace(root, name, text, fi); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func readOld(root *os.Root, name string) ([]byte, fs.FileInfo, error) {
	f, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, nil, errors.New("not a regular file")
	}
	raw, err := readAll(f)
	return raw, fi, err
}

// replace writes the file anew, for its owner only. The caller holds the lock.
func replace(root *os.Root, name string, text []byte, old fs.FileInfo) error {
	tmp := name + ".tmp"
	if err := root.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if old != nil {
		durable.KeepOwner(f, old)
	}
	return durable.Fill(root, f, tmp, name, text)
}

// lock waits for the lock file and returns the function that frees and removes it.
func lock(ctx context.Context, root *os.Root, name string) (unlock func(), err error) {
	for range maxLocks {
		f, err := durable.OpenLocked(root, name, 0o600, filelock.Waiting(ctx))
		if errors.Is(err, filelock.ErrUnsupported) {
			return func() {}, nil // one login at a time is still safe
		}
		if err != nil {
			return nil, err
		}
		if f != nil {
			return func() {
				root.Remove(name) // fails where open files cannot be removed: the lock file stays there
				f.Close()
			}, nil
		}
	}
	return nil, fmt.Errorf("%s cannot be locked: it is replaced all the time", name)
}
