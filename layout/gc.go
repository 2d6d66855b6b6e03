package layout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/durable"
	"drayage/internal/filelock"
)

// CollectOptions say what [Dir.Collect] removes. The zero value means all that nothing needs.
type CollectOptions struct {
	DryRun bool          // only say what would be removed
	MinAge time.Duration // what was written later than that ago stays

	// Alone says that nobody else writes to the layout. Where the file system has no locks Collect cannot find
	// that out, and does nothing without it.
	Alone bool
}

// Collected says what [Dir.Collect] has removed, or would remove.
type Collected struct {
	Blobs        int
	Bytes        int64 // of these blobs
	Partial      int   // unfinished blobs that nobody is writing
	PartialBytes int64

	Needed      int // blobs that no image leads to, but that a running fetch counts on
	NeededBytes int64
	Young       int // those that stay because of MinAge
	YoungBytes  int64
}

// ErrNoLocks is wrapped by the error of [Dir.Collect] where it cannot find out whether others write to the
// layout.
var ErrNoLocks = filelock.ErrUnsupported

// Collect removes the blobs that no entry of index.json leads to, and what broken writers have left. It may
// run beside anything that writes by a [Dir], and beside itself: what those have stored or found there, and
// have not named yet, stays. Other programs that write to the layout meanwhile are not seen. A damaged
// manifest is an error before anything is removed: what it needs cannot be told. Collect returns what it has
// done beside the error.
func (d *Dir) Collect(ctx context.Context, opts CollectOptions) (*Collected, error) {
	c := &collection{dir: d, opts: opts, now: time.Now()}
	r := newReach(d.Layout)
	if _, err := d.holdings(ctx, r, nil); err != nil { // before anybody has to wait for it
		return &c.Collected, err
	}
	locked := d.locked
	if opts.DryRun { // the lock could not be had on a read-only disk
		locked = func(_ context.Context, f func() error) error { return f() }
	}
	return &c.Collected, locked(ctx, func() error {
		if !d.Locks() && !opts.Alone {
			return fmt.Errorf("%s: nobody can tell whether a fetch is running: %w", d.path, ErrNoLocks)
		}
		h, err := d.holdings(ctx, r, nil)
		if err != nil {
			return err
		}
		// index.json may be another process's, which was killed before its name was durable.
		if err := durable.SyncDir(d.root, "."); err != nil {
			return d.located(err)
		}
		if c.claimed, err = d.othersClaims(); err != nil {
			return d.named(err)
		}
		return errors.Join(c.blobs(ctx, h), c.partials(ctx))
	})
}

// collection is a run of [Dir.Collect].
type collection struct {
	Collected
	dir     *Dir
	opts    CollectOptions
	now     time.Time
	claimed map[digest.Digest]struct{}
}

// blobs removes blobs. The small ones go first, manifests among them, so that a run that is killed leaves no
// manifest without its layers.
func (c *collection) blobs(ctx context.Context, h *holdings) error {
	all, err := c.dir.Blobs()
	if err != nil {
		return c.dir.named(err)
	}
	slices.SortFunc(all, func(a, b v1.Descriptor) int { return cmp.Compare(a.Size, b.Size) })
	live := h.live(make([]bool, len(h.images)))
	for _, b := range all {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		_, claimed := c.claimed[b.Digest]
		switch {
		case h.has(live, b):
		case claimed:
			c.Needed++
			c.NeededBytes += b.Size
		case c.isYoung(blobPath(b)):
			c.Young++
			c.YoungBytes += b.Size
		default:
			if err := c.remove(blobPath(b)); err != nil {
				return err
			}
			c.Blobs++
			c.Bytes += b.Size
		}
	}
	return nil
}

func (c *collection) remove(name string) error {
	if c.opts.DryRun {
		return nil
	}
	if err := c.dir.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c.dir.located(err)
	}
	return nil
}

func (c *collection) isYoung(name string) bool {
	if c.opts.MinAge <= 0 {
		return false
	}
	fi, err := c.dir.root.Lstat(name)
	return err == nil && c.now.Sub(fi.ModTime()) < c.opts.MinAge
}

// partials removes the unfinished blobs that nobody is writing, and what belongs to them.
func (c *collection) partials(ctx context.Context) error {
	entries, err := fs.ReadDir(c.dir.root.FS(), partDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if name := path.Join(partDir, e.Name()); e.Type().IsRegular() && !strings.HasSuffix(name, markSuffix) {
			if err := c.partial(name); err != nil {
				return err
			}
		}
	}
	if err != nil {
		return c.dir.named(err)
	}
	return c.marks(entries)
}

// foreignPartial is how long a partial file stays that was made where there were no locks: whether somebody
// writes it cannot be told.
const foreignPartial = 24 * time.Hour

// partial removes one unfinished blob, unless it is locked or claimed.
func (c *collection) partial(name string) error {
	base := path.Base(name)
	blob, own, _ := strings.Cut(base, ".")
	algorithm, hex, _ := strings.Cut(blob, "-")
	_, claimed := c.claimed[digest.NewDigestFromEncoded(digest.Algorithm(algorithm), hex)]
	if claimed || c.isYoung(name) {
		return nil
	}
	fi, err := c.dir.root.Lstat(name)
	if err != nil {
		return nil // it has got its final name
	}
	if own != "" && !c.opts.Alone && c.now.Sub(fi.ModTime()) < foreignPartial {
		return nil
	}
	if c.dir.Locks() {
		f, err := durable.OpenLocked(c.dir.root, name, 0o644, filelock.TryLock)
		if errors.Is(err, syscall.EROFS) {
			f, err = c.dir.root.Open(name)
		}
		if errors.Is(err, filelock.ErrLocked) || err == nil && f == nil {
			return nil
		}
		if err != nil {
			return c.dir.located(err)
		}
		f.Close() // Windows removes no open file; whoever wants it now has to claim it first
	}
	for _, n := range []string{name + markSuffix, name} {
		if err := c.remove(n); err != nil {
			return err
		}
	}
	c.Partial++
	c.PartialBytes += fi.Size()
	return nil
}

// marks removes the marks of partial files that are not there.
func (c *collection) marks(entries []fs.DirEntry) error {
	for _, e := range entries {
		name := path.Join(partDir, e.Name())
		of, isMark := strings.CutSuffix(name, markSuffix)
		if _, err := c.dir.root.Lstat(of); !isMark || !errors.Is(err, fs.ErrNotExist) || c.isYoung(name) {
			continue
		}
		if err := c.remove(name); err != nil {
			return err
		}
	}
	return nil
}
