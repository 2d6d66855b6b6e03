package layout

import (
	"os"

	"drayage/internal/durable"
	"drayage/internal/marks"
	"drayage/internal/transfer"
)

func (p *partial) markName() string { return p.name + ".mark" }

func (p *partial) dropMark() { _ = p.dir.root.Remove(p.markName()) }

func (p *partial) closeMark() {
	if p.mark != nil {
		p.mark.Close()
		p.mark = nil
	}
}

func (p *partial) marks(mark *os.File) (*marks.Set, error) { return marks.New(mark, nil, p.desc.Size) }

// part returns the partial file, which has size bytes, with what an earlier call has left in it.
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
	return p.marked(size)
}

// marked is part for a file with a mark.
func (p *partial) marked(size int64) (*marks.Part, error) {
	set, err := p.marks(p.mark)
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
	return part, part.Trim(size) // what is marked beyond that was never there, or a power cut has taken it
}
