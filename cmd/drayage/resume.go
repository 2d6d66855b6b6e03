package main

import (
	"context"
	"errors"
	"fmt"

	"drayage/dockerarchive"
	"drayage/internal/durable"
	"drayage/registry"
)

// resumable reports whether an archive is worth going on with when it is broken off: blobs come from a registry and go to places that are known
// before.
func (s *saver) resumable() bool { return s.oci && s.compress == nil && len(s.pulled) > 0 }

// writeResumable makes an archive which the same command goes on with if it is broken off.
func (s *saver) writeResumable(ctx context.Context, out string, opts dockerarchive.Options) error {
	f, err := durable.ResumeOutput(out)
	if err != nil {
		return err
	}
	defer f.Abort()
	if err := dockerarchive.WriteOCI(ctx, f, s.wholes, opts); err != nil {
		if !errors.Is(err, registry.ErrIntegrity) && f.Keep() { // what is wrong in the registry stays wrong
			err = fmt.Errorf("%w; what has arrived is kept in %s.partial, the same command goes on with it", err, out)
		}
		return err
	}
	return f.Commit()
}
