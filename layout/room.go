package layout

import (
	"io/fs"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/durable"
	"drayage/internal/verify"
)

// Room returns an error if the file system has no room for those of the blobs that the layout does not have yet. It counts
// what an earlier Push that broke off has left of them.
func (d *Dir) Room(blobs []v1.Descriptor) error {
	var need, largest int64
	for _, b := range blobs {
		if verify.Descriptor(b) != nil {
			continue // whoever fetches it says so
		}
		if fi, err := fs.Stat(d.fsys, blobPath(b)); err == nil && fi.Size() == b.Size {
			continue
		}
		need += b.Size
		largest = max(largest, b.Size)
		if held := d.partialSize(b); held > 0 {
			need -= min(held, b.Size)
		}
	}
	return durable.Room(d.path, need, largest)
}

// partialSize is how much of the disk the partial file of a blob has.
func (d *Dir) partialSize(b v1.Descriptor) int64 {
	p := &partial{dir: d, desc: b, name: partialName(b)}
	fi, err := d.root.Stat(p.name)
	if err != nil {
		return 0
	}
	mark, err := d.root.Open(p.markName())
	if err != nil {
		return fi.Size()
	}
	defer mark.Close()
	set, err := p.marks(mark)
	if err != nil || !set.Found() {
		return fi.Size()
	}
	return min(set.Sum(), fi.Size())
}
