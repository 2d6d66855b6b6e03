//go:build linux

package volumes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// filled makes the directory disk a file system of so many bytes, and returns what changes that.
func (w *world) filled(bytes int64) (resize func(int64)) {
	w.Helper()
	if os.Getuid() != 0 {
		w.Skip("mounting a file system needs root")
	}
	w.write("disk/.keep", nil)
	sized := func(n int64) string { return fmt.Sprint("size=", n) }
	if err := syscall.Mount("drayage-volumes", w.path("disk"), "tmpfs", 0, sized(bytes)); err != nil {
		w.Skip("a file system cannot be mounted: ", err)
	}
	w.Cleanup(w.unmount)
	return func(bytes int64) {
		if err := syscall.Mount("", w.path("disk"), "", syscall.MS_REMOUNT, sized(bytes)); err != nil {
			w.Fatal(err)
		}
	}
}

// The disk fills up at each volume in turn, at the parity volume, and at the set file. Nothing has a final
// name then but what was there before, and the same command succeeds when there is space.
func TestFullDisk(t *testing.T) {
	for _, format := range []string{"oci", "docker"} {
		t.Run(format, func(t *testing.T) {
			w := newWorld(t)
			from := source(t, layer("full", 11*mib))
			save := []string{"save", from, "-o", "disk/d.tar", "--format", format, "--volume-size", "4M",
				"--parity", "1"}
			resize := w.filled(64 * mib)
			w.must(save...)
			whole := snapshot(t, w.path("disk"))
			all := size(t, w.path("disk"))
			full := 0
			for space := int64(4096); space < all; space += all / 7 {
				w.remove(listed(w, "disk")...)
				resize(space)
				r := w.drayage(save...)
				if r.code != 1 || !strings.Contains(r.stderr, "(free some space") {
					t.Errorf("with %d of %d bytes: %s", space, all, r)
				}
				full++
				for _, name := range listed(w, "disk") {
					if !strings.Contains(name, ".partial") {
						t.Errorf("with %d of %d bytes %s is there: %s", space, all, name, r)
					}
				}
				resize(64 * mib)
				w.must(save...)
				if d := differences(whole, snapshot(t, w.path("disk"))); len(d) > 0 {
					t.Errorf("with space again: %q", d)
				}
			}
			if full < 6 {
				t.Errorf("the disk was full %d times", full)
			}
			w.fullRepair(t, whole, resize, all)
		})
	}
}

// fullRepair: there is no room for a volume that is lost.
func (w *world) fullRepair(t *testing.T, whole map[string]string, resize func(int64), all int64) {
	t.Helper()
	w.remove("disk/d.tar.002")
	resize(all - 3*mib)
	before := snapshot(t, w.path("disk"))
	r := w.drayage("repair", "disk/d.tar.set")
	if r.code != 1 || !strings.Contains(r.stderr, "(free some space") {
		t.Errorf("no room for a repair: %s", r)
	}
	if d := differences(before, snapshot(t, w.path("disk"))); len(d) > 0 {
		t.Errorf("no room for a repair, and %q", d)
	}
	resize(64 * mib)
	w.must("repair", "disk/d.tar.set")
	if d := differences(whole, snapshot(t, w.path("disk"))); len(d) > 0 {
		t.Errorf("room again, and %q", d)
	}
}

// listed are the files in a directory of the world.
func listed(w *world, dir string) (all []string) {
	w.Helper()
	files, err := os.ReadDir(w.path(dir))
	if err != nil {
		w.Fatal(err)
	}
	for _, f := range files {
		all = append(all, filepath.Join(dir, f.Name()))
	}
	return all
}
