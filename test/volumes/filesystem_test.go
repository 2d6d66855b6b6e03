//go:build linux

package volumes

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// mounted makes the directory disk a file system that is in a file.
type mounted struct {
	name  string
	needs []string // programs
	make  string   // the one that makes it empty
	mount func(w *world)
	reads bool // the program cannot make files longer: volumes come there as copies
}

// The file systems of USB sticks. No kernel module is needed, because programs of FUSE read and write them.
var fileSystems = []mounted{
	{name: "exFAT", needs: []string{"mount.exfat-fuse", "losetup"}, make: "mkfs.exfat", mount: func(w *world) {
		r := w.run("losetup", "-f", "--show", "image")
		if r.code != 0 {
			w.Skip("no loop device: ", r.stderr)
		}
		loop := strings.TrimSpace(r.stdout)
		w.Cleanup(func() { exec.Command("losetup", "-d", loop).Run() })
		w.mounts("mount.exfat-fuse", loop, "disk")
	}},
	{name: "FAT", needs: []string{"fusefat"}, make: "mkfs.vfat", reads: true,
		mount: func(w *world) { w.mounts("fusefat", "-o", "rw+", "image", "disk") }},
}

func (w *world) mounts(argv ...string) {
	w.Helper()
	if r := w.run(argv...); r.code != 0 {
		w.Skip("cannot be mounted: ", r.stderr)
	}
	w.Cleanup(w.unmount)
}

func (w *world) unmount() { syscall.Unmount(w.path("disk"), 0) }

// Volumes on the file systems of USB sticks: written, read after the stick was taken out, hurt and mended.
func TestFileSystems(t *testing.T) {
	for _, fs := range fileSystems {
		t.Run(fs.name, func(t *testing.T) {
			if os.Getuid() != 0 {
				t.Skip("mounting needs root")
			}
			for _, program := range append(fs.needs, fs.make) {
				if _, err := exec.LookPath(program); err != nil {
					t.Skip(program, " is not here")
				}
			}
			w := newWorld(t)
			from := source(t, layer("stick", 9*mib))
			w.must("save", from, "-o", "whole.tar")
			w.write("image", nil)
			if err := os.Truncate(w.path("image"), 160*mib); err != nil { // save leaves 64 MiB to others
				t.Fatal(err)
			}
			w.write("disk/.keep", nil)
			w.remove("disk/.keep")
			w.succeeds(fs.make, "image")
			fs.mount(w)
			w.must("save", from, "-o", "again/d.tar", "--volume-size", "4M", "--parity", "1")
			if fs.reads {
				w.copyAll("again", "disk")
			} else {
				w.must("save", from, "-o", "disk/d.tar", "--volume-size", "4M", "--parity", "1")
			}
			joins(w, "disk/d.tar.0*", "whole.tar")
			whole := snapshot(t, w.path("disk"))
			w.unmount()
			if fs.mount(w); len(whole) != 5 {
				t.Errorf("on the disk: %v", whole)
			}
			w.must("verify", "disk")
			w.must("push", "disk/d.tar.set", newWitness(t).Addr()+"/copy:1")
			w.flip("disk/d.tar.002", 5000)
			if r := w.drayage("verify", "disk"); r.code == 0 || !strings.Contains(r.said(), "d.tar.002") {
				t.Errorf("%s", r)
			}
			w.must("repair", "disk/d.tar.set")
			w.remove("disk/d.tar.other.002") // no block of it was right, so it is kept
			if d := differences(whole, snapshot(t, w.path("disk"))); len(d) > 0 {
				t.Errorf("after the repair: %q", d)
			}
			if raw := w.read("disk/d.tar.001"); !bytes.Equal(raw, w.read("again/d.tar.001")) {
				t.Error("other bytes than on this machine's own file system")
			}
		})
	}
}
