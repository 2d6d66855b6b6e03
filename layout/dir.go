package layout

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/durable"
	"drayage/internal/filelock"
	"drayage/internal/verify"
)

const (
	// workDir holds what is not part of the layout: partial blobs, temporary files and the lock. It is inside
	// the layout so that everything in it is on the same file system, and survives the process.
	workDir  = ".drayage"
	lockFile = workDir + "/lock"
	partDir  = workDir + "/partial"
)

// Dir is a layout in a directory that can be written to, also by several goroutines
// and processes at once.
type Dir struct {
	*Layout
	root  *os.Root
	path  string
	fresh bool     // CreateDir made the directory
	right sync.Map // digests of blobs that have been found right, or been stored, by this Dir

	// touched are directories of blobs that have been stored or found, perhaps just stored by another process. They are synced before index.json
	// refers to any of them, once for all blobs of an image.
	touched sync.Map
}

// OpenDir opens an existing layout. The caller closes it.
func OpenDir(path string) (*Dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	l, err := New(root.FS())
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Dir{Layout: l, root: root, path: path}, nil
}

// CreateDir opens the layout at path and makes it first if there is none. A directory that holds
// other things is refused. The caller closes it.
func CreateDir(ctx context.Context, path string) (*Dir, error) {
	_, err := os.Lstat(path)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("%s: the directory cannot be made: %w", path, err)
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
		_, err = d.Images() // one that cannot be read is found out before anything is transferred
	}
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// initialise writes what is missing of an empty layout. It finds out first whether the
// directory can be written to at all, before anything is transferred.
func (d *Dir) initialise(ctx context.Context) error {
	if err := d.checkForeign(); err != nil {
		return err
	}
	for _, dir := range []string{partDir, v1.ImageBlobsDir + "/sha256"} {
		if err := d.root.MkdirAll(dir, 0o755); err != nil {
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
		return d.writeMissing(v1.ImageLayoutFile, []byte(`{"imageLayoutVersion":"`+v1.ImageLayoutVersion+`"}`))
	})
}

// checkForeign refuses a directory that is neither empty nor a layout: it was most likely not meant.
func (d *Dir) checkForeign() error {
	// What another process makes at this moment comes after workDir: it is looked for after the listing.
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	if _, err := d.root.Lstat(v1.ImageLayoutFile); err == nil {
		if _, err := d.root.Lstat(v1.ImageIndexFile); err != nil {
			return fmt.Errorf("%s: %w: it is missing from the layout", d.path, ErrDamaged)
		}
		return nil
	}
	if _, err := d.root.Lstat(workDir); err == nil {
		return nil // we were here before and did not get far
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s: neither empty nor an OCI layout (it holds %q): take another directory", d.path, entries[0].Name())
	}
	return nil
}

// Path is the path that the layout was opened with.
func (d *Dir) Path() string { return d.path }

// Close releases the directory.
func (d *Dir) Close() error { return d.root.Close() }

// Discard removes the layout again if CreateDir made its directory and nothing has been put into it, not
// even a part of a blob. It is for commands that fail before there is anything to keep.
func (d *Dir) Discard(ctx context.Context) {
	if !d.fresh {
		return
	}
	_ = d.locked(ctx, func() error {
		// Directories that hold something are not removed, and then nothing else is.
		for _, name := range []string{partDir, v1.ImageBlobsDir + "/sha256", v1.ImageBlobsDir,
			v1.ImageLayoutFile, v1.ImageIndexFile, lockFile, workDir} {
			if err := d.root.Remove(name); err != nil {
				return err
			}
		}
		return os.Remove(d.path)
	})
}

// Entry is what index.json is to say about a manifest or index: its name (a full name such as docker.io/library/alpine:3.20, or one with a digest)
// and tag, or, of one without a name, what it belongs to.
type Entry struct {
	Descriptor v1.Descriptor
	Name, Tag  string
	Subject    digest.Digest // of the image that it belongs to, such as a signature does; only without a name
}

// Enter puts entries into index.json, all or none of them. Their content must be in the layout. It returns the descriptor
// that each name referred to before, if any. Entries and fields of other tools stay as they are.
func (d *Dir) Enter(ctx context.Context, entries []Entry) (old []v1.Descriptor, err error) {
	for _, e := range entries {
		if err := verify.Descriptor(e.Descriptor); err != nil {
			return nil, err
		}
		if e.Name == "" && e.Subject == "" {
			return nil, errors.New("an entry of index.json needs a name")
		}
	}
	old = make([]v1.Descriptor, len(entries))
	err = d.change(ctx, func(ix *index) (changed bool, err error) {
		for i, e := range entries {
			one := false
			if e.Name == "" {
				one, err = ix.refer(e.Descriptor, e.Subject)
			} else {
				old[i], one, err = ix.set(e.Descriptor, e.Name, e.Tag)
			}
			if err != nil {
				return false, err
			}
			changed = changed || one
		}
		return changed, nil
	})
	return old, err
}

// Tag makes name and its tag refer to the manifest or index desc, as Enter does, and returns what name referred to before.
func (d *Dir) Tag(ctx context.Context, desc v1.Descriptor, name, tag string) (old v1.Descriptor, err error) {
	all, err := d.Enter(ctx, []Entry{{Descriptor: desc, Name: name, Tag: tag}})
	if err != nil {
		return old, err
	}
	return all[0], nil
}

// change reads index.json, lets f change it, and writes it if it did, while nobody else can.
func (d *Dir) change(ctx context.Context, f func(*index) (bool, error)) error {
	return d.locked(ctx, func() error {
		raw, err := readFile(d.root.FS(), v1.ImageIndexFile, maxIndexSize)
		if err != nil {
			return fmt.Errorf("%s: %w", d.path, err)
		}
		ix, err := parseIndex(raw)
		if err != nil {
			return fmt.Errorf("%s: %w", d.path, err)
		}
		changed, err := f(ix)
		if err != nil || !changed {
			return err
		}
		if raw, err = ix.marshal(); err != nil {
			return err
		}
		if err := d.syncBlobs(); err != nil {
			return err
		}
		return d.write(v1.ImageIndexFile, raw)
	})
}

// syncBlobs makes the names of blobs durable.
func (d *Dir) syncBlobs() (err error) {
	d.touched.Range(func(dir, _ any) bool {
		err = d.located(durable.SyncDir(d.root, dir.(string)))
		return err == nil
	})
	return err
}

// write replaces a file. The lock is held, so what others have begun of it was left by processes that were killed.
func (d *Dir) write(name string, data []byte) error {
	if err := d.sweep(name + "."); err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	if err := durable.WriteFile(d.root, workDir+"/"+name+"."+rand.Text(), name, data); err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	return nil
}

// sweep removes the temporary files whose names begin with prefix.
func (d *Dir) sweep(prefix string) error {
	entries, err := fs.ReadDir(d.root.FS(), workDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			_ = d.root.Remove(workDir + "/" + e.Name()) // one that stays does no harm
		}
	}
	return nil
}

func (d *Dir) writeMissing(name string, data []byte) error {
	if _, err := d.root.Lstat(name); err == nil {
		return nil
	}
	return d.write(name, data)
}

// locked runs f while no other process changes index.json.
func (d *Dir) locked(ctx context.Context, f func() error) error {
	file, err := d.root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o644)
	if errors.Is(err, fs.ErrNotExist) { // a layout made by another tool
		if err := d.root.MkdirAll(partDir, 0o755); err != nil {
			return fmt.Errorf("%s: %w", d.path, err)
		}
		file, err = d.root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o644)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Clean(d.path), err)
	}
	defer file.Close()
	if err := filelock.Lock(ctx, file); err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	return f()
}
