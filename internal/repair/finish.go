package repair

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"drayage/internal/durable"
	"drayage/internal/kind"
	"drayage/internal/verify"
	"drayage/internal/volume"
)

func (m *mender) writeAt(v *mended, p []byte, off int64) error {
	if err := m.before(step{op: "write", path: v.path, file: v.write, p: p, off: off}); err != nil {
		return err
	}
	_, err := durable.File{File: v.write}.WriteAt(p, off)
	return err
}

// finish syncs what has been written, reads it back, cuts what is too long, and gives new files their names.
func (m *mender) finish(ctx context.Context) error {
	for _, mend := range m.Mends {
		v := m.volumes[mend.Volume]
		if err := m.before(step{op: "sync", path: v.path}); err != nil {
			return err
		}
		if err := v.write.Sync(); err != nil {
			return fmt.Errorf("%s: %w", v.path, err)
		}
		durable.Forget(v.write)
	}
	for _, mend := range m.Mends {
		v := m.volumes[mend.Volume]
		if err := m.readBack(ctx, v); err != nil {
			return err
		}
		if err := m.end(v); err != nil {
			return err
		}
	}
	return nil
}

// readBack reads what has been written of a volume. All else has been read before.
func (m *mender) readBack(ctx context.Context, v *mended) error {
	bad, err := check(ctx, m.set, v.i, v.write, v.missing)
	if err != nil {
		return err
	}
	for b := range bad {
		if bad[b] {
			return kind.Errorf(verify.ErrMismatch, "block %d of %s was written and reads differently: "+
				"the medium does not keep it", b, m.set.Title(v.i))
		}
	}
	return nil
}

// end makes a file that holds the volume end with it, and gives it its name.
func (m *mender) end(v *mended) error {
	if fi, err := v.write.Stat(); err != nil {
		return err
	} else if fi.Size() > v.size {
		if err := m.before(step{op: "truncate", path: v.path}); err != nil {
			return err
		}
		if err := v.write.Truncate(v.size); err != nil {
			return err
		}
		if err := v.write.Sync(); err != nil {
			return err
		}
	}
	if err := v.write.Close(); err != nil || v.inPlace {
		return err
	}
	return m.rename(Rename{From: v.path, To: v.goal, Volume: v.i})
}

// check finds the bad blocks of a file that is to be a volume, among those that are wanted, or all if that is
// nil. A block that cannot be read is bad.
func check(ctx context.Context, set *volume.Set, i int, f io.ReaderAt, wanted []bool) ([]bool, error) {
	bad := make([]bool, set.BlocksOf(i))
	buf := make([]byte, min(set.Block, 1<<20))
	for b := range bad {
		if wanted != nil && !wanted[b] {
			continue
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		off, size, want := set.BlockAt(i, b)
		h := sha256.New()
		n, err := io.CopyBuffer(h, io.NewSectionReader(f, off, size), buf)
		bad[b] = err != nil || n < size || [sha256.Size]byte(h.Sum(nil)) != want
	}
	return bad, nil
}
