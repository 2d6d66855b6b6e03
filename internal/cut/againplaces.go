package cut

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"drayage/internal/durable"
	"drayage/internal/kind"
	"drayage/internal/volume"
)

// findSet reads the set file of an archive, and says where it is. It may be in any of the folders, but must
// not differ between them.
func findSet(dirs []string, archive string) (
	found *volume.Set, where string, err error,
) {
	for _, dir := range dirs {
		name := filepath.Join(dir, volume.SetName(archive))
		set, err := formerSet(name)
		switch {
		case err != nil:
			return nil, "", err
		case set == nil:
			continue
		case set.Volume == 0 || set.Name != archive:
			return nil, "", fmt.Errorf("%s is the set file of %s: that has no volumes of this name", name, set.Name)
		case found != nil && (found.SHA256 != set.SHA256 || found.Volume != set.Volume):
			return nil, "", fmt.Errorf("%s and %s are of different archives: give only the folders of one",
				where, name)
		case found == nil:
			found, where = set, name
		}
	}
	if found == nil {
		return nil, "", kind.Errorf(fs.ErrNotExist, "there is no %s, which says what the volumes have to be: "+
			"put a copy of it there", filepath.Join(dirs[0], volume.SetName(archive)))
	}
	return found, where, nil
}

// place decides on the folder of each volume: where a file of its name is, or else the first with room for
// it, from that of the volume before it on. Volumes that are needed for a while only go where room is.
func (a *Again) place() {
	room := map[string]int64{}
	for _, dir := range a.dirs {
		if n, err := free(dir); err == nil && n >= 0 {
			room[dir] = n
		} else {
			room[dir] = math.MaxInt64
		}
	}
	computes := a.set.IsParity(a.wanted[len(a.wanted)-1])
	at := 0
	for i := range a.set.Len() {
		wanted, size := slices.Contains(a.wanted, i), a.set.At(i).Size
		passing := !wanted && computes && !a.set.IsParity(i)
		k, found := a.holder(i)
		switch {
		case passing:
			k = a.roomy(room, 0, size)
		case wanted && !found:
			k = a.roomy(room, at, size)
		case !found:
			k = at
		}
		if wanted || passing {
			room[a.dirs[k]] -= size
		}
		a.dirOf = append(a.dirOf, a.dirs[k])
		if !passing {
			at = k
		}
	}
}

// holder is the folder in which there is a file that is called like a volume.
func (a *Again) holder(i int) (k int, found bool) {
	for k, dir := range a.dirs {
		if _, err := os.Lstat(filepath.Join(dir, a.set.FileName(i))); err == nil {
			return k, true
		}
	}
	return 0, false
}

// roomy is the first folder from one on that has room for size bytes, or the last one.
func (a *Again) roomy(room map[string]int64, from int, size int64) int {
	for k := from; k < len(a.dirs); k++ {
		if room[a.dirs[k]] >= size {
			return k
		}
	}
	return len(a.dirs) - 1
}

// Room fails if there is no room for the volumes. It is for dockerarchive's options.
func (a *Again) Room(int64) error {
	for _, dir := range a.dirs {
		need, largest := int64(0), int64(0)
		for i := range a.set.Len() {
			if (a.files[i] != nil || a.parity[i] != nil) && a.dirOf[i] == dir {
				need, largest = need+a.set.At(i).Size, max(largest, a.set.At(i).Size)
			}
		}
		err := durable.Room(dir, need, largest)
		var room *durable.RoomError
		if errors.As(err, &room) && errors.Is(err, syscall.ENOSPC) {
			room.Hint = "remove the bad volumes first, or add -o DIR, a folder with room"
		}
		if err != nil {
			return err
		}
	}
	return nil
}
