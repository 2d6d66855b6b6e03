package cut

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"drayage/internal/durable"
	"drayage/internal/terminal"
)

// advise says in an error about room what helps there.
func (w *Writer) advise(err error) error {
	var room *durable.RoomError
	if errors.As(err, &room) && errors.Is(err, syscall.ENOSPC) {
		advised := *room
		advised.Hint = w.hint()
		return &advised
	}
	return err
}

// hint says what to do if the folders lack room. What an earlier archive of this name takes comes first: its
// volumes stay until the new ones are complete, so they take room beside these.
func (w *Writer) hint() string {
	names, size := w.formerVolumes()
	switch {
	case len(names) == 0 && len(w.folders) > 1:
		return "free some space, or add one more -o DIR for the volumes that do not fit"
	case len(names) == 0:
		return "free some space, add -o DIR for the volumes that do not fit, or change media with --change-media"
	}
	return fmt.Sprintf("the earlier %s takes %s there: remove %s first if nobody needs it any more, or add "+
		"-o DIR for the volumes that do not fit", w.name, terminal.Size(size), strings.Join(names, ", "))
}

// formerVolumes says which files are volumes of the archive that is going to be replaced, and how much room
// they take.
func (w *Writer) formerVolumes() (names []string, size int64) {
	for k, f := range w.folders {
		all, err := listed(f.dir, w.name)
		if err != nil || w.old[k].set == nil {
			continue
		}
		slices.Sort(all)
		all = slices.DeleteFunc(all, func(name string) bool { return !lists(w.old[k].set, name) })
		for _, name := range all {
			if fi, err := os.Lstat(filepath.Join(f.dir, name)); err == nil {
				size += durable.Allocated(fi)
			}
		}
		if n := len(all); n > 0 {
			text := terminal.ShellWord(filepath.Join(f.dir, all[0]))
			if n > 1 {
				text += " to " + strings.TrimPrefix(all[n-1], w.name)
			}
			names = append(names, text)
		}
	}
	return names, size
}
