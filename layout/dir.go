package layout

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/durable"
	"drayage/internal/limits"
)

const (
	// workDir holds what is not part of the layout: partial blobs, temporary files and the lock. It is inside
	// the layout, so that it is on the same file system and outlives the process.
	workDir  = ".drayage"
	lockFile = workDir + "/lock"
	partDir  = workDir + "/partial"

	// marker is what the file oci-layout says.
	marker = `{"imageLayoutVersion":"` + v1.ImageLayoutVersion + `"}`
)

// Dir is a layout in a directory that can be written to. Several goroutines and processes may do that at
// once.
type Dir struct {
	*Layout
	root  *os.Root
	path  string
	fresh bool        // CreateDir made the directory
	alone atomic.Bool // there are no locks, so that nothing may be shared with other processes
	known marked      // what is known of blobs

	// touched has the directories of blobs that have been stored, by this process or another one. They are
	// synced before index.json refers to the blobs, once for all blobs of an image.
	touched sync.Map

	claims claims

	indexing sync.Mutex
	last     *index // what index.json was when this Dir looked at it last, to change it; or nil
}

// OpenDir opens the layout at path. The caller closes it.
func OpenDir(path string) (*Dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	var l *Layout
	if err = checkLinks(root); err == nil {
		l, err = New(root.FS())
	}
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Dir{Layout: l, root: root, path: path}, nil
}

// CreateDir opens the layout at path, and makes an empty one if there is nothing. It refuses a directory that
// holds other things, and finds out whether the layout can be read and written to. The caller closes it.
func CreateDir(ctx context.Context, path string) (*Dir, error) {
	_, err := os.Lstat(path)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(path, 0o755); err != nil {
		if to, linkErr := os.Readlink(path); linkErr == nil {
			return nil, fmt.Errorf("%s: it is a link to %q, which is no directory: make that first", path, to)
		}
		return nil, fmt.Errorf("%s: the directory cannot be made: %w", path, durable.Cause(err))
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	d := &Dir{root: root, path: path, fresh: fresh}
	if err := d.initialise(ctx); err != nil {
		root.Close()
		return nil, err
	}
	if d.Layout, err = New(root.FS()); err == nil {
		_, err = d.Images()
	}
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// initialise writes what is missing of an empty layout.
func (d *Dir) initialise(ctx context.Context) error {
	if err := checkLinks(d.root); err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	if err := d.checkEmpty(); err != nil {
		return err
	}
	for _, dir := range []string{partDir, v1.ImageBlobsDir + "/sha256"} { // workDir first, for checkEmpty
		if err := d.makeDir(dir); err != nil {
			return fmt.Errorf("%s: %w", d.path, err)
		}
	}
	return d.locked(ctx, func() error {
		index, err := emptyIndex().marshal()
		if err != nil {
			return err
		}
		// The marker comes last: a layout that has it has an index too.
		if err := d.writeMissing(v1.ImageIndexFile, index); err != nil {
			return err
		}
		return d.writeMissing(v1.ImageLayoutFile, []byte(marker))
	})
}

// checkEmpty refuses a directory that is neither empty nor a layout: the user most likely meant another one.
func (d *Dir) checkEmpty() error {
	// Another process that makes the layout at this moment begins with workDir. So the listing comes before
	// the look for it.
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	if _, err := d.root.Lstat(v1.ImageLayoutFile); err == nil {
		if _, err := d.root.Stat(v1.ImageIndexFile); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w: it is missing from the layout", d.path, ErrDamaged)
		}
		return nil
	}
	if _, err := d.root.Lstat(workDir); err == nil || isUnmarked(d.root.FS()) {
		return nil // we were here before and did not get far, or another tool writes no marker
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s: neither empty nor an OCI layout (it holds %q): take another directory",
			d.path, entries[0].Name())
	}
	return nil
}

// Path returns the path that the layout was opened with.
func (d *Dir) Path() string { return d.path }

// Locks reports whether the file system of the layout has locks, as far as the Dir has met that. Without them
// several processes may still write to the layout at once, but none goes on with a partial blob that another
// one has left.
func (d *Dir) Locks() bool { return !d.alone.Load() }

// Close releases the directory, and ends the claims on its blobs.
func (d *Dir) Close() error {
	d.dropClaims()
	return d.root.Close()
}

// Discard removes the layout again if CreateDir made its directory and nothing has been put into it, not
// even a part of a blob. It is for commands that fail before there is anything to keep. It reports whether
// the directory is gone.
func (d *Dir) Discard(ctx context.Context) bool {
	if !d.fresh {
		return false
	}
	d.dropClaims()
	err := d.locked(ctx, func() error {
		// Directories that hold something are not removed, and then nothing else is.
		for _, name := range []string{partDir, v1.ImageBlobsDir + "/sha256", v1.ImageBlobsDir,
			v1.ImageLayoutFile, v1.ImageIndexFile, lockFile, heldFile, workDir} {
			err := d.root.Remove(name)
			if err != nil && (name != heldFile || !errors.Is(err, fs.ErrNotExist)) {
				return err
			}
		}
		return os.Remove(d.path)
	})
	return err == nil
}

// marshal returns the bytes of an index, if they are not more than a reader accepts.
func (d *Dir) marshal(ix *index) ([]byte, error) {
	raw, err := ix.marshal()
	if err == nil {
		err = withinLimits(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: its %w: take another directory for more images", d.path, err)
	}
	return raw, nil
}

// change reads index.json, lets f change it, and writes it if it did, while nobody else can.
func (d *Dir) change(ctx context.Context, f func(*index) (changed bool, err error)) error {
	return d.locked(ctx, func() (err error) {
		d.indexing.Lock()
		defer d.indexing.Unlock()
		ix, err := d.index()
		if err != nil {
			return err
		}
		defer func() {
			if d.last = nil; err == nil {
				d.last = ix
			}
		}()
		if changed, err := f(ix); err != nil || !changed {
			return err
		}
		raw, err := d.marshal(ix)
		if err != nil {
			return err
		}
		d.touched.Range(func(dir, _ any) bool { // the names of blobs outlive a power cut before they are entered
			err = d.located(durable.SyncDir(d.root, dir.(string)))
			return err == nil
		})
		if err != nil {
			return err
		}
		return d.write(v1.ImageIndexFile, raw)
	})
}

// index reads index.json. It is parsed only if somebody else has changed it: an index of very many images
// is changed very often.
func (d *Dir) index() (*index, error) {
	raw, err := readFile(d.root.FS(), v1.ImageIndexFile, limits.IndexJSON)
	if err == nil && d.last != nil && bytes.Equal(raw, d.last.raw) {
		return d.last, nil
	}
	d.last = nil
	var ix *index
	if err == nil {
		ix, err = parseIndex(raw)
	}
	return ix, d.named(err)
}

// look reads index.json for somebody who does not change it until unlock.
func (d *Dir) look() (ix *index, unlock func(), err error) {
	d.indexing.Lock()
	if ix, err = d.index(); err != nil {
		if ix, err = readIndex(d.root.FS()); err != nil { // which says more
			d.indexing.Unlock()
			return nil, nil, d.named(err)
		}
	}
	d.last = ix
	return ix, d.indexing.Unlock, nil
}

// named is err with the name of the layout, if it is an error.
func (d *Dir) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", d.path, err)
}

// write replaces a file, while the lock is held. So temporary files of it were left by processes that were
// killed.
func (d *Dir) write(name string, data []byte) error {
	entries, err := fs.ReadDir(d.root.FS(), workDir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), name+".") {
			_ = d.root.Remove(workDir + "/" + e.Name()) // one that stays does no harm
		}
	}
	if err == nil {
		err = durable.WriteFile(d.root, workDir+"/"+name+"."+rand.Text(), name, data)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	return nil
}

func (d *Dir) writeMissing(name string, data []byte) error {
	if _, err := d.root.Lstat(name); err == nil {
		return nil
	}
	return d.write(name, data)
}

// makeDir makes a directory and those above it. A file or a pipe in the place of one gets another name. A
// link stays: it may lead to another disk.
func (d *Dir) makeDir(name string) error {
	err := d.root.MkdirAll(name, 0o755)
	for at := name; err != nil && at != "."; at = path.Dir(at) {
		fi, serr := d.root.Lstat(at)
		if serr != nil || fi.IsDir() || fi.Mode()&fs.ModeSymlink != 0 {
			continue
		}
		if err = d.root.Rename(at, at+"."+rand.Text()); err == nil {
			err = d.root.MkdirAll(name, 0o755)
		}
	}
	return err
}

// openWork opens a file in workDir, which a layout of another tool does not have yet.
func (d *Dir) openWork(open func() (*os.File, error)) (*os.File, error) {
	f, err := open()
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		if err = d.makeDir(partDir); err == nil {
			f, err = open()
		}
	}
	return f, err
}
