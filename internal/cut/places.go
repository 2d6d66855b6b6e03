package cut

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"drayage/internal/durable"
	"drayage/internal/terminal"
)

// Besides is room on each disk for the set file and what file systems need, in bytes. Set files of more than
// a few archives have less than half of it.
const Besides = 2 << 20

// places says in which folder each volume goes. The folders are filled in their order, each with as many
// whole volumes as it has room for. The last one takes the rest.
type places struct {
	name    string // of the archive
	volume  int64
	folders []*folder
	of      []int // the folder of each volume, as far as it has been decided
}

type folder struct {
	dir  string
	disk string // what tells its disk from others; empty if unknown
	room int64  // bytes; negative if unknown
	kept int64  // bytes that an earlier run has left there and that this one may go on with
	n    int    // volumes
}

var free = durable.Free // tests have small disks

// newPlaces finds out how much room there is.
func newPlaces(path string, volume int64, more []string) (*places, error) {
	p := &places{name: filepath.Base(path), volume: volume}
	for i, dir := range append([]string{filepath.Dir(path)}, more...) {
		fi, err := os.Stat(dir)
		if err == nil && !fi.IsDir() {
			err = fmt.Errorf("%s is no folder: behind the first -o, each names a folder for further volumes", dir)
		}
		if err != nil {
			return nil, err
		}
		for _, f := range p.folders {
			if other, err := os.Stat(f.dir); err == nil && i > 0 && os.SameFile(fi, other) {
				return nil, fmt.Errorf("%s is given twice", dir)
			}
		}
		f := &folder{dir: dir, disk: durable.Disk(dir), room: -1}
		if free, err := free(dir); err == nil && free >= 0 {
			f.room = max(free-Besides, 0)
		}
		p.folders = append(p.folders, f)
	}
	if len(p.folders) == 1 {
		return p, nil
	}
	return p, p.countKept()
}

// dirs are the paths of the folders.
func (p *places) dirs() (all []string) {
	for _, f := range p.folders {
		all = append(all, f.dir)
	}
	return all
}

// countKept counts what earlier runs have left as room: this run overwrites it or goes on with it.
func (p *places) countKept() error {
	for _, f := range p.folders {
		names, err := f.partial(p.name)
		if err != nil {
			return err
		}
		for _, name := range names {
			if fi, err := os.Lstat(filepath.Join(f.dir, name)); err == nil {
				f.kept += durable.Allocated(fi)
			}
		}
	}
	return nil
}

// dir is the folder of volume i, and at its number.
func (p *places) dir(i int) string { return p.folders[p.at(i)].dir }

func (p *places) at(i int) int {
	for len(p.of) <= i {
		p.of = append(p.of, p.next(len(p.of)))
	}
	return p.of[i]
}

// next decides where volume i goes, which follows those that have their places. What an earlier run has begun
// stays where it is.
func (p *places) next(i int) int {
	at := 0
	if i > 0 {
		at = p.of[i-1]
	}
	for k := at; k < len(p.folders); k++ {
		if _, err := os.Lstat(filepath.Join(p.folders[k].dir, partialName(p.name, i))); err == nil {
			p.folders[k].n++
			return k
		}
	}
	for at < len(p.folders)-1 && !p.takes(at) {
		at++
	}
	p.folders[at].n++
	return at
}

// takes reports whether a folder has room for one more volume.
func (p *places) takes(at int) bool { return p.folders[at].room < 0 || p.left(at) >= p.volume }

// left is how much room a folder has besides the volumes that go to its disk. It is negative if that is too
// little.
func (p *places) left(at int) int64 {
	f := p.folders[at]
	left := f.room
	for _, other := range p.folders {
		if other == f || f.disk != "" && other.disk == f.disk {
			left += other.kept - int64(other.n)*p.volume
		}
	}
	return left
}

// check fails if there is no room for an archive of size bytes, or if a file system takes no volumes of that
// size. rest is how much of the archive is still to be written. The parity volumes come on top of it.
func (p *places) check(size, rest int64, parity int) error {
	largest := min(size, p.volume)
	for _, f := range p.folders {
		if err := durable.Room(f.dir, 0, largest); err != nil {
			return err
		}
	}
	if len(p.folders) == 1 {
		return durable.Room(p.folders[0].dir, rest+int64(parity)*largest+Besides, largest)
	}
	n := int((size + p.volume - 1) / p.volume)
	last := len(p.folders) - 1
	p.dir(n - 1)
	at, undo := p.placeParity(parity, largest)
	defer undo()
	short := int64(0) // what volumes in the last folder have less than a whole one
	if p.of[n-1] == last {
		short = p.volume - (size - int64(n-1)*p.volume)
	}
	inLast := p.of[n-1] == last
	for _, k := range at {
		if k == last {
			inLast, short = true, short+p.volume-largest
		}
	}
	if !inLast || p.folders[last].room < 0 || p.left(last)+short >= 0 {
		return nil
	}
	text := fmt.Sprintf("not enough space: %s are needed in volumes of %s, and the folders lack room for %s",
		terminal.Size(size+int64(parity)*largest), terminal.Size(p.volume), terminal.Size(-p.left(last)-short))
	return &durable.RoomError{Text: text, Err: syscall.ENOSPC}
}
