//go:build unix

package spool

import (
	"errors"
	"os"
)

// unlinked makes a file whose name is taken away at once.
func unlinked(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, ".drayage-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
