package layout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/filelock"
	"drayage/internal/transfer"
	"drayage/internal/verify"
)

// maxLost is how often a partial file may turn out to have another name already when it has been opened: each time another
// process has finished the blob. Where the file system cannot tell files apart it would go on for ever.
const maxLost = 100

// Push stores the content of desc, unless the layout has it. Each Dir hashes a blob that is there already once, because
// disks and sticks rot, and stores it again if it is wrong. The bytes go into a partial file of a fixed name. Another call
// for the same digest goes on with that file, after a crash or in another process. Reported, which may be nil, is told
// how many bytes are there. Push may be called concurrently.
func (d *Dir) Push(ctx context.Context, desc v1.Descriptor, src image.Source, reported func(held int64)) error {
	if err := verify.Descriptor(desc); err != nil {
		return err
	}
	for range maxLost {
		if ok, err := d.has(ctx, desc); ok || err != nil {
			if ok {
				d.touch(desc)
			}
			if ok && reported != nil {
				reported(desc.Size)
			}
			return err
		}
		p, err := d.openPartial(ctx, desc)
		if err != nil {
			return err
		}
		if p == nil {
			continue // whoever had it before us has finished it
		}
		err = p.fill(ctx, src, reported)
		if err == nil {
			d.right.Store(desc.Digest, true)
			d.touch(desc)
		}
		return err
	}
	return fmt.Errorf("%s: the file system does not tell the partial file of %s from others", d.path, desc.Digest)
}

// touch notes that the name of a blob has to be durable before anything refers to it.
func (d *Dir) touch(desc v1.Descriptor) { d.touched.Store(path.Dir(blobPath(desc)), true) }

// has reports whether the blob is there, whole and right. Something that is not a regular file is refused: nothing is
// ever written through it.
func (d *Dir) has(ctx context.Context, desc v1.Descriptor) (bool, error) {
	name := blobPath(desc)
	fi, err := d.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", d.path, err)
	}
	if !fi.Mode().IsRegular() {
		return false, fmt.Errorf("%s: %s is not a regular file (%s)", d.path, name, fi.Mode().Type())
	}
	if fi.Size() != desc.Size {
		return false, nil
	}
	if _, known := d.right.Load(desc.Digest); known {
		return true, nil
	}
	ok := d.hashes(ctx, desc)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if ok {
		d.right.Store(desc.Digest, true)
	}
	return ok, nil
}

// hashes reports whether the file of a blob can be read and is what its name says.
func (d *Dir) hashes(ctx context.Context, desc v1.Descriptor) bool {
	f, err := d.root.Open(blobPath(desc))
	if err != nil {
		return false
	}
	defer f.Close()
	check := verify.NewCheck(desc)
	_, err = io.Copy(check, transfer.WithContext(ctx, f))
	return err == nil && check.Done() == nil
}

// partial is the locked, unfinished file of one blob. The file of a large blob is written out of order; a second file
// beside it, its mark, says which of its blocks are there. Of a partial file without a mark its size says that.
type partial struct {
	dir  *Dir
	desc v1.Descriptor
	name string
	file *os.File
	mark *os.File // nil: the blob is written in order
}

func partialName(d v1.Descriptor) string {
	return partDir + "/" + d.Digest.Algorithm().String() + "-" + d.Digest.Encoded()
}

// openPartial opens and locks the partial file of desc. It returns nil if meanwhile the file was
// given its final name or removed.
func (d *Dir) openPartial(ctx context.Context, desc v1.Descriptor) (*partial, error) {
	name := partialName(desc)
	if fi, err := d.root.Lstat(name); err == nil && !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %s is not a regular file", d.path, name)
	}
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if errors.Is(err, fs.ErrNotExist) { // a layout made by another tool
		if err := d.root.MkdirAll(partDir, 0o755); err != nil {
			return nil, fmt.Errorf("%s: %w", d.path, err)
		}
		f, err = d.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.path, err)
	}
	if err := filelock.Lock(ctx, f); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", d.path, err)
	}
	ours, err1 := f.Stat()
	named, err2 := d.root.Lstat(name)
	if err1 != nil || err2 != nil || !os.SameFile(ours, named) {
		f.Close()
		return nil, nil
	}
	return &partial{dir: d, desc: desc, name: name, file: f}, nil
}

// fill completes the partial file and gives it its final name. On error it keeps what is worth that.
func (p *partial) fill(ctx context.Context, src image.Source, reported func(int64)) error {
	defer p.file.Close()
	fi, err := p.file.Stat()
	if err != nil {
		return err
	}
	part, err := p.part(fi.Size())
	if err != nil {
		return p.dir.located(err)
	}
	keep, err := transfer.Fill(ctx, src, p.desc, part, reported)
	if err == nil && fi.Size() > p.desc.Size {
		err = p.file.Truncate(p.desc.Size)
	}
	if err == nil {
		err = p.publish()
	}
	if err != nil {
		p.keep(keep)
	}
	p.closeMark()
	return p.dir.located(err)
}

// located names the layout in an error of its disk: the system's own names only a file in it.
func (d *Dir) located(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	return err
}

func (p *partial) publish() error {
	name := blobPath(p.desc)
	if err := p.dir.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	if err := p.file.Sync(); err != nil {
		return err
	}
	p.closeMark() // an open file cannot be removed or renamed on Windows
	p.dropMark()
	if runtime.GOOS == "windows" {
		if err := p.file.Close(); err != nil {
			return err
		}
	}
	return p.dir.root.Rename(p.name, name) // its name is made durable before anything refers to it
}

// keep leaves what the next try can go on from: what is marked, or else the first n bytes.
func (p *partial) keep(n int64) {
	if p.mark != nil {
		if set, err := p.marks(p.mark); err == nil && set.Sum() > 0 {
			return
		}
		n = 0
	}
	if n == 0 {
		p.dropMark()
		p.dir.root.Remove(p.name)
		return
	}
	if fi, err := p.file.Stat(); err == nil && fi.Size() > n {
		p.file.Truncate(n)
	}
}
