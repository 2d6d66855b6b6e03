package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/internal/durable"
	"drayage/internal/filelock"
	"drayage/internal/limits"
)

// ErrDamaged is wrapped by errors about an index.json that cannot be read. [Repair] makes a new one.
var ErrDamaged = errors.New("index.json is damaged")

// Repaired says what [Repair] has found and done.
type Repaired struct {
	Marker   bool            // oci-layout was missing or unreadable, and has been written
	Index    bool            // index.json was missing or unreadable, and has been made anew
	Kept     string          // the unreadable index.json is now this file of the layout; empty if there was none
	Saved    int             // entries of the unreadable index.json that could be read
	Nameless int             // entries that were made for images without a name
	Entries  int             // entries of a readable index.json that were wrong
	Removed  []digest.Digest // blobs that were not what their names say, in order
}

// Repair rebuilds what can be rebuilt of the layout in a directory. It removes blobs that are not what
// their names say, so that the next fetch brings them again. Of an index.json that can be read it corrects
// sizes and media types, and removes an entry that leads to nothing beside another one of the same name.
// Of any other it keeps the entries before the damage, and makes an entry without a name for each manifest
// that nothing refers to. Other processes may write to the layout meanwhile: Repair waits for those that
// change index.json, and leaves blobs to those that store them.
func Repair(ctx context.Context, path string) (*Repaired, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if fi, err := root.Lstat(v1.ImageBlobsDir); err != nil || !fi.IsDir() {
		return nil, fmt.Errorf("%s: there is no directory %q in it, so there is nothing to repair",
			path, v1.ImageBlobsDir)
	}
	d := &Dir{Layout: &Layout{fsys: root.FS()}, root: root, path: path}
	r := &Repaired{}
	if r.Removed, err = d.removeWrong(ctx); err != nil {
		return nil, err
	}
	return r, d.locked(ctx, func() error {
		if err := d.repairIndex(ctx, r); err != nil {
			return err
		}
		if version, err := readVersion(d.fsys); err == nil && version != "" {
			return nil // if the version is not known here, it is not for us to change
		}
		r.Marker = true
		return d.write(v1.ImageLayoutFile, []byte(marker))
	})
}

// removeWrong removes blobs that are not what their names say. It reads small ones first: manifests among
// them tell how large the others have to be. It does not read a large blob that has another size, nor one
// that nothing refers to.
func (d *Dir) removeWrong(ctx context.Context) ([]digest.Digest, error) {
	blobs, err := d.Blobs()
	odd, oddErr := d.blobs(false)
	if err = errors.Join(err, oddErr); err != nil {
		return nil, err
	}
	var small []v1.Descriptor
	large := map[digest.Digest]v1.Descriptor{}
	for _, b := range blobs {
		if b.Size > image.MaxManifestSize {
			large[b.Digest] = b
		} else {
			small = append(small, b)
		}
	}
	removed, err := d.removeUnless(ctx, append(odd, small...), d.isStored)
	if err != nil || len(large) == 0 {
		return removed, err
	}
	fits, err := d.sizes(ctx, small, large)
	if err != nil {
		return nil, err
	}
	var referred []v1.Descriptor
	for id := range fits {
		referred = append(referred, large[id])
	}
	more, err := d.removeUnless(ctx, referred, func(ctx context.Context, b v1.Descriptor) (bool, error) {
		if !fits[b.Digest] {
			return false, nil
		}
		return d.isRight(ctx, b)
	})
	removed = append(removed, more...)
	slices.Sort(removed)
	return removed, err
}

// sizes tells of those large blobs that something refers to whether they have the size that is said there.
func (d *Dir) sizes(
	ctx context.Context, small []v1.Descriptor, large map[digest.Digest]v1.Descriptor,
) (map[digest.Digest]bool, error) {
	fits := map[digest.Digest]bool{}
	refer := func(c v1.Descriptor) {
		if b, ok := large[c.Digest]; ok {
			fits[c.Digest] = fits[c.Digest] || c.Size == b.Size
		}
	}
	raw, _ := readFile(d.fsys, v1.ImageIndexFile, limits.IndexJSON) // whatever is wrong with it
	for _, e := range readable(raw) {
		refer(e.desc)
	}
	for _, b := range small {
		doc, ok, err := d.document(ctx, b)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // it may have been removed
			return nil, err
		}
		if ok {
			for _, c := range doc.Children() {
				refer(c)
			}
		}
	}
	return fits, nil
}

// removeUnless removes blobs that are not right.
func (d *Dir) removeUnless(ctx context.Context, blobs []v1.Descriptor, right judge) ([]digest.Digest, error) {
	var mu sync.Mutex
	var removed []digest.Digest
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(runtime.GOMAXPROCS(0))
	for _, b := range blobs {
		eg.Go(func() error {
			gone, err := d.removeOne(ctx, b, right)
			if gone {
				mu.Lock()
				defer mu.Unlock()
				removed = append(removed, b.Digest)
			}
			return err
		})
	}
	err := eg.Wait()
	slices.Sort(removed)
	return removed, err
}

// judge reports whether a blob is right.
type judge func(ctx context.Context, b v1.Descriptor) (bool, error)

// removeOne removes a blob if it is not right, while nobody else can store it: a fetch beside it may just
// have replaced what was wrong. It leaves a blob alone that somebody is storing.
func (d *Dir) removeOne(ctx context.Context, b v1.Descriptor, right judge) (removed bool, err error) {
	ok, err := right(ctx, b)
	for range durable.MaxLost {
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil // somebody else has removed it
		}
		if ok || err != nil {
			return false, err
		}
		p, err := d.openPartial(b, filelock.TryLock)
		if errors.Is(err, filelock.ErrLocked) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("%s: %w", d.path, err)
		}
		if p != nil {
			defer p.leave()
			if ok, err = d.judgeAgain(ctx, b, right); ok || err != nil {
				return false, err
			}
			err = d.clearPlace(blobPath(b))
			if gone := d.root.Remove(blobPath(b)); err == nil && !errors.Is(gone, fs.ErrNotExist) {
				err = gone
			}
			return err == nil, d.located(err)
		}
		ok, err = d.judgeAgain(ctx, b, right)
	}
	return false, err
}

// judgeAgain judges a blob that may have been replaced.
func (d *Dir) judgeAgain(ctx context.Context, b v1.Descriptor, right judge) (bool, error) {
	if now, err := d.Stat(b.Digest); err == nil && now.Size == b.Size {
		return right(ctx, b)
	}
	return d.isStored(ctx, b)
}

// isStored reports whether there is now a blob with the digest of b and the right content, of whatever size.
func (d *Dir) isStored(ctx context.Context, b v1.Descriptor) (bool, error) {
	now, err := d.Stat(b.Digest)
	if err != nil {
		return false, ctx.Err()
	}
	return d.isRight(ctx, now)
}
