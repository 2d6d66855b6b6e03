package layout

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path"
	"runtime"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/durable"
	"drayage/internal/filelock"
	"drayage/internal/marks"
	"drayage/internal/transfer"
)

// partial is the locked, unfinished file of one blob. The file of a large blob is written out of order; a
// second file beside it, its mark, says which of its blocks are there. Of a partial file without a mark its
// size says that.
type partial struct {
	dir  *Dir
	desc v1.Descriptor
	name string
	file *os.File
	mark *os.File // nil: the blob is written in order
	own  bool     // the file is for this run alone
}

// openPartial opens the partial file of desc and locks it by lock. It returns nil if meanwhile the file was
// given its final name. Without locks it makes a file of its own, which nobody goes on with.
func (d *Dir) openPartial(desc v1.Descriptor, lock func(*os.File) error) (_ *partial, err error) {
	p := d.partial(desc)
	if err := d.clearPlace(p.name); err != nil {
		return nil, err
	}
	if d.Locks() {
		p.file, err = d.openWork(func() (*os.File, error) {
			return durable.OpenLocked(d.root, p.name, 0o644, lock)
		})
		if errors.Is(err, filelock.ErrUnsupported) {
			d.alone.Store(true)
		}
	}
	if !d.Locks() {
		p.own = true
		p.file, err = d.openWork(func() (f *os.File, err error) {
			f, p.name, err = durable.OpenOwn(d.root, d.partial(desc).name, 0o644)
			return f, err
		})
	}
	if p.file == nil {
		return nil, err
	}
	return p, nil
}

// clearPlace makes room for a file where something is that is none, such as a pipe, a link or a directory.
// A directory that holds something is kept in workDir: nobody knows what is in it.
func (d *Dir) clearPlace(name string) error {
	fi, err := d.root.Lstat(name)
	if err != nil || fi.Mode().IsRegular() {
		return nil // whoever opens it finds out
	}
	if err := d.root.Remove(name); err == nil || !fi.IsDir() {
		return err
	}
	return d.root.Rename(name, workDir+"/"+path.Base(name)+"."+rand.Text())
}

func (d *Dir) partial(desc v1.Descriptor) *partial {
	name := partDir + "/" + desc.Digest.Algorithm().String() + "-" + desc.Digest.Encoded()
	return &partial{dir: d, desc: desc, name: name}
}

// fill completes the partial file and gives it its final name. On error it leaves what the next try can use.
func (p *partial) fill(ctx context.Context, src image.Source, reported func(int64)) error {
	defer p.file.Close()
	defer p.closeMark()
	fi, err := p.file.Stat()
	if err != nil {
		return err
	}
	part, err := p.part(fi.Size())
	if err != nil {
		return err
	}
	n, err := transfer.Fill(ctx, src, p.desc, part, reported)
	if err == nil && fi.Size() > p.desc.Size {
		err = p.file.Truncate(p.desc.Size)
	}
	if err == nil {
		err = p.publish()
	}
	if err != nil {
		p.keep(n)
	}
	return err
}

// part returns the file, which has size bytes, with what an earlier try has left in it.
func (p *partial) part(size int64) (_ *marks.Part, err error) {
	if p.desc.Size < transfer.SplitSize { // it is written in order
		return marks.NewPart(p.file, 0, p.desc.Size, marks.Prefix(size)), nil
	}
	if fi, err := p.dir.root.Lstat(p.markName()); err == nil && !fi.Mode().IsRegular() {
		p.dropMark()
	}
	if p.mark, err = p.dir.root.OpenFile(p.markName(), os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, err
	}
	set, err := marks.New(p.mark, nil, p.desc.Size)
	if err != nil {
		return nil, err
	}
	if !set.Found() {
		if err := set.Begin(); err != nil {
			return nil, err
		}
		if size <= p.desc.Size { // otherwise the bytes are none of this blob
			if err := set.Part(0, p.file, 0).Mark(0, size); err != nil {
				return nil, err
			}
		}
	}
	part := set.Part(0, durable.File{File: p.file}, 0)
	return part, part.Trim(size) // a power cut may take bytes and leave their marks
}

// markSuffix ends the name of the mark of a partial file.
const markSuffix = ".mark"

func (p *partial) markName() string { return p.name + markSuffix }

func (p *partial) dropMark() { _ = p.dir.root.Remove(p.markName()) }

func (p *partial) closeMark() {
	if p.mark != nil {
		p.mark.Close()
		p.mark = nil
	}
}

func (p *partial) publish() error {
	name := blobPath(p.desc)
	if err := p.dir.makeDir(path.Dir(name)); err != nil {
		return err
	}
	if err := p.dir.clearPlace(name); err != nil {
		return err
	}
	if err := p.file.Sync(); err != nil {
		return err
	}
	p.closeMark() // Windows removes and renames no open file
	p.dropMark()
	if runtime.GOOS == "windows" {
		if err := p.file.Close(); err != nil {
			return err
		}
	}
	return p.dir.root.Rename(p.name, name) // its name is made durable before anything refers to it
}

// keep leaves what is marked for the next try, or else the first n bytes.
func (p *partial) keep(n int64) {
	if p.mark != nil {
		n = p.marked(p.mark)
	}
	if n <= 0 || p.own {
		p.dropMark()
		p.dir.root.Remove(p.name)
		return
	}
	if fi, err := p.file.Stat(); p.mark == nil && err == nil && fi.Size() > n {
		p.file.Truncate(n)
	}
}

// leave ends the use of a partial file that was only for its lock.
func (p *partial) leave() {
	if fi, err := p.file.Stat(); err == nil && fi.Size() == 0 {
		p.dir.root.Remove(p.name)
	}
	p.file.Close()
}

// marked is how many bytes are marked, or -1 if mark is not the mark of this blob.
func (p *partial) marked(mark *os.File) int64 {
	set, err := marks.New(mark, nil, p.desc.Size)
	if err != nil || !set.Found() {
		return -1
	}
	return set.Sum()
}

// partialSize is how much of the disk the partial file of a blob has, in bytes.
func (d *Dir) partialSize(b v1.Descriptor) int64 {
	p := d.partial(b)
	fi, err := d.root.Stat(p.name)
	if err != nil || !d.Locks() {
		return 0
	}
	if at, err := d.root.Lstat(p.markName()); err != nil || !at.Mode().IsRegular() {
		return fi.Size()
	}
	if mark, err := d.root.Open(p.markName()); err == nil {
		defer mark.Close()
		if n := p.marked(mark); n >= 0 {
			return min(n, fi.Size())
		}
	}
	return fi.Size()
}
