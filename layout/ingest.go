package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/durable"
	"drayage/internal/filelock"
	"drayage/internal/transfer"
	"drayage/internal/verify"
)

// Push stores the content of desc, unless the layout has it. Each Dir hashes a blob that is there already
// once, because disks and sticks rot, and stores it again if it is wrong. The bytes go into a partial file
// that is named after the digest. Another Push of the same digest goes on with that file, after a crash or in
// another process. Reported, which may be nil, is told how many bytes are there. Push may be called
// concurrently.
func (d *Dir) Push(
	ctx context.Context, desc v1.Descriptor, src image.Source, reported func(held int64),
) error {
	if err := verify.Descriptor(desc); err != nil {
		return err
	}
	if err := d.Claim(ctx, []v1.Descriptor{desc}); err != nil {
		return err
	}
	for range durable.MaxLost {
		if ok, err := d.has(ctx, desc); ok || err != nil {
			if ok {
				d.touch(desc)
			}
			if ok && reported != nil {
				reported(desc.Size)
			}
			return err
		}
		p, err := d.openPartial(desc, filelock.Waiting(ctx))
		if err != nil {
			return fmt.Errorf("%s: %w", d.path, err)
		}
		if p == nil {
			continue // whoever had it before us has finished it
		}
		if err := p.fill(ctx, src, reported); err != nil {
			return d.located(err)
		}
		d.known.add(desc.Digest, right)
		d.touch(desc)
		return nil
	}
	return fmt.Errorf("%s: the file system does not tell the partial file of %s from others",
		d.path, desc.Digest)
}

// touch notes that the name of a blob has to be durable before anything refers to it.
func (d *Dir) touch(desc v1.Descriptor) { d.touched.Store(path.Dir(blobPath(desc)), true) }

// located names the layout in an error of its disk: the system names only a file in it.
func (d *Dir) located(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	return err
}

// has reports whether the blob is there, whole and right. What is not a regular file is replaced: nothing is
// ever written through that.
func (d *Dir) has(ctx context.Context, desc v1.Descriptor) (bool, error) {
	name := blobPath(desc)
	fi, err := d.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", d.path, err)
	}
	if !fi.Mode().IsRegular() || fi.Size() != desc.Size {
		return false, nil
	}
	if d.known.has(desc.Digest, right) {
		return true, nil
	}
	ok, _ := d.isRight(ctx, desc) // a file that cannot be read is replaced
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if ok {
		d.known.add(desc.Digest, right)
	}
	return ok, nil
}

// isRight reports whether the bytes of a blob are what its digest says.
func (d *Dir) isRight(ctx context.Context, b v1.Descriptor) (bool, error) {
	rc, err := d.Open(ctx, b, 0, image.ToEnd)
	if err != nil {
		return false, err
	}
	defer rc.Close()
	check := verify.NewCheck(b)
	_, err = transfer.Copy(check, transfer.WithContext(ctx, rc))
	if err != nil && !errors.Is(err, ErrIntegrity) {
		return false, err
	}
	return check.Done() == nil, nil
}

// Room returns an error if the file system has no room for those of the blobs that the layout does not have
// yet. It counts what a Push that broke off has left of them.
func (d *Dir) Room(blobs []v1.Descriptor) error {
	var need, largest int64
	for _, b := range blobs {
		if verify.Descriptor(b) != nil {
			continue // whoever fetches it says so
		}
		if held := d.Held(b); held < b.Size {
			need = verify.AddSize(need, b.Size-held)
			largest = max(largest, b.Size)
		}
	}
	return durable.Room(d.path, need, largest)
}

// Held returns how many bytes of a blob the layout has, those that a Push that broke off has left included.
// It reads none of them: only a Push tells whether they are right.
func (d *Dir) Held(b v1.Descriptor) int64 {
	if verify.Descriptor(b) != nil {
		return 0
	}
	if fi, err := fs.Stat(d.fsys, blobPath(b)); err == nil && fi.Size() == b.Size {
		return b.Size
	}
	if n := d.partialSize(b); n <= b.Size {
		return n
	}
	return 0 // more than the blob has: Push begins anew
}
