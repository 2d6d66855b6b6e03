//go:build linux

package volumes

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user without rights.
const nobody = 65534

// asNobody runs a copy of drayage as a user whom permissions stop: root is stopped by none.
func (w *world) asNobody(args ...string) result {
	w.Helper()
	cmd := exec.Command(w.path("drayage"), args...)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return w.finish(cmd)
}

// A volume that may not be read is named, and so is a folder in which nothing may be written.
func TestUnreadable(t *testing.T) {
	b := newBundle(t, kind{format: "oci", parity: 1}, "new")
	dir, err := os.MkdirTemp("", "drayage-volumes-nobody-") // TempDir lets nobody else in
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &world{TB: t, dir: dir}
	b.unpack(w, in)
	mode := func(name string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(w.path(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	mode("", 0o755)
	drayage, err := os.ReadFile(binary) // where it is, others may not get at it
	if err != nil {
		t.Fatal(err)
	}
	w.write("drayage", drayage)
	mode("drayage", 0o755)
	if r := w.asNobody("verify", inside(setFile)); r.code != 0 {
		t.Skipf("another user cannot run drayage here: %s", r)
	}
	whole := snapshot(t, w.path(in))
	file := inside(name + ".002")
	mode(file, 0)
	for _, args := range [][]string{{"verify", in}, {"push", in, newWitness(t).Addr() + "/copy:1"},
		{"save", in, "-o", "out.tar"}, {"repair", inside(setFile)}} {
		r := w.asNobody(args...)
		if r.code == 0 || !strings.Contains(r.said(), name+".002") || !strings.Contains(r.said(), "permission") {
			t.Errorf("a volume cannot be read: %s", r)
		}
	}
	mode(file, 0o644)
	w.flip(file, 3)
	mode(in, 0o555)
	mode(file, 0o444)
	r := w.asNobody("repair", inside(setFile))
	if r.code == 0 || !strings.Contains(r.said(), "permission") {
		t.Errorf("nothing can be written: %s", r)
	}
	w.flip(file, 3)
	if d := differences(whole, snapshot(t, w.path(in))); len(d) > 0 {
		t.Errorf("nothing can be written, and yet %q", d)
	}
}
