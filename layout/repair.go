package layout

import (
	"cmp"
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
// change index.json, and leaves blobs to those that store them. Where single blobs cannot be read or removed
// it goes on with the others, and returns what it has done beside the error.
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
	rm := &removal{dir: d}
	if err = rm.all(ctx); err != nil {
		return nil, err
	}
	slices.Sort(rm.removed)
	r := &Repaired{Removed: rm.removed}
	err = d.locked(ctx, func() error {
		if err := d.repairIndex(ctx, r); err != nil {
			return err
		}
		if version, err := readVersion(d.fsys); err == nil && version != "" {
			return nil // if the version is not known here, it is not for us to change
		}
		r.Marker = true
		if err := d.clearPlace(v1.ImageLayoutFile); err != nil {
			return d.located(err)
		}
		return d.write(v1.ImageLayoutFile, []byte(marker))
	})
	return r, cmp.Or(err, rm.failure())
}

// removal is the removal of wrong blobs.
type removal struct {
	dir     *Dir
	mu      sync.Mutex
	removed []digest.Digest
	failed  []error // one for each blob that may still be wrong
}

// failure tells of what could not be removed.
func (rm *removal) failure() error {
	switch n := len(rm.failed); n {
	case 0:
		return nil
	case 1:
		return rm.failed[0]
	default:
		first := slices.MinFunc(rm.failed, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
		return fmt.Errorf("%d blobs cannot be read or removed, the first: %w", n, first)
	}
}

// all removes blobs that are not what their names say. It reads small ones first: manifests among them tell
// how large the others have to be. It does not read a large blob that has another size, nor one that nothing
// refers to.
func (rm *removal) all(ctx context.Context) error {
	d := rm.dir
	blobs, err := d.Blobs()
	odd, oddErr := d.blobs(false)
	if err = errors.Join(err, oddErr); err != nil {
		return err
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
	if err := rm.unless(ctx, append(odd, small...), d.isStored); err != nil || len(large) == 0 {
		return err
	}
	fits, err := d.sizes(ctx, small, large)
	if err != nil {
		return err
	}
	var referred []v1.Descriptor
	for id := range fits {
		referred = append(referred, large[id])
	}
	return rm.unless(ctx, referred, func(ctx context.Context, b v1.Descriptor) (bool, error) {
		if !fits[b.Digest] {
			return false, nil
		}
		return d.isRight(ctx, b)
	})
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
		if err != nil {
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

// unless removes blobs that are not right. It fails only if ctx ends.
func (rm *removal) unless(ctx context.Context, blobs []v1.Descriptor, right judge) error {
	var eg errgroup.Group
	eg.SetLimit(runtime.GOMAXPROCS(0))
	for _, b := range blobs {
		eg.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			gone, err := rm.dir.removeOne(ctx, b, right)
			rm.mu.Lock()
			defer rm.mu.Unlock()
			if gone {
				rm.removed = append(rm.removed, b.Digest)
			}
			if err != nil {
				rm.failed = append(rm.failed, err)
			}
			return context.Cause(ctx)
		})
	}
	return eg.Wait()
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
		p, failed := d.openPartial(b, filelock.TryLock)
		if errors.Is(failed, filelock.ErrLocked) {
			return false, nil
		}
		if failed != nil {
			return false, fmt.Errorf("%s: %w", d.path, failed)
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
