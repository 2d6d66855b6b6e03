package dockerauth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Place is where credentials are kept.
type Place struct {
	File   string // the configuration
	Helper string // the program that has the secret; empty: the file has it, not encrypted
}

// Save keeps c for a registry where docker would: in the helper that is configured for it, or else in the
// configuration file. c is a user name with a password or an identity token. Only the owner of the file can
// read it afterwards. The other content of the file stays. When Save returns, the change outlives a power
// cut. After an error the file is as it was.
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
			h := helper{name: name, file: place.File, timeout: s.opts.HelperTimeout}
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
// something. Credentials in other places stay. Warn is told of those in files.
func (s *Store) Remove(ctx context.Context, registry string) (place Place, removed bool, err error) {
	place.File = s.target()
	if place.File == "" {
		return place, false, nil
	}
	if _, err := os.Stat(place.File); err == nil {
		err := s.change(ctx, place.File, func(conf *config, doc *document) error {
			if name := conf.helper(registry); name != "" {
				h := helper{name: name, file: place.File, timeout: s.opts.HelperTimeout}
				var err error
				if removed, err = h.erase(ctx, registry); err != nil {
					return err
				}
				place.Helper = h.binary()
			}
			if _, _, inFile := conf.find(registry, ""); inFile {
				removed = true
			}
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

// target is the file that is written.
func (s *Store) target() string {
	if file := s.chosenFile(); file != "" {
		return file
	}
	return s.dockerFile()
}

// change rewrites a file with what edit makes of it.
func (s *Store) change(ctx context.Context, path string, edit func(*config, *document) error) error {
	return rewrite(ctx, path, func(old []byte) ([]byte, error) {
		conf, err := parseConfig(old)
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
		if string(after) == string(before) {
			return old, nil // not even its spaces
		}
		return after, nil
	})
}

// warnShadowed says that Lookup will not find what has been saved.
func (s *Store) warnShadowed(registry string) {
	for _, src := range readSources(s.places()) {
		if !src.entriesOnly {
			return
		}
		if _, _, ok := src.config.find(registry, ""); ok {
			s.warn(fmt.Sprintf("%s has credentials for %s too, and they come first", src.place, registry))
		}
	}
}

// warnLeft says that somebody who has logged out is still logged in.
func (s *Store) warnLeft(registry, removed string) {
	for _, src := range readSources(s.places()) {
		if src.place == removed {
			continue
		}
		if _, _, ok := src.config.find(registry, ""); ok {
			s.warn(fmt.Sprintf("%s still has credentials for %s", src.place, registry))
		}
	}
}
