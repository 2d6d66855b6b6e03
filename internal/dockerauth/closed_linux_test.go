package dockerauth

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// asNobody runs f without the rights of root on files. The thread ends with the goroutine, because it is
// not unlocked.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if os.Getuid() == 0 {
			const nobody = 65534
			_, _ = unix.SetfsuidRetUid(nobody)
			if got, err := unix.SetfsuidRetUid(-1); got != nobody {
				t.Errorf("file user is %d, %v", got, err)
				return
			}
		}
		f()
	}()
	<-done
}

// Where root has used podman, /run/containers is root's alone. Nobody else has a file in it, and nobody has
// to be told so. A file that is there and cannot be read is another thing.
func TestRuntimeDirectoryOfRoot(t *testing.T) {
	dir, err := os.MkdirTemp("", "drayage-closed-") // below t.TempDir only the user may enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	closed := filepath.Join(dir, "closed")
	unreadable := write(t, filepath.Join(dir, "open", "auth.json"), `{}`)
	write(t, filepath.Join(closed, "1000", "auth.json"), `{}`)
	for path, mode := range map[string]os.FileMode{dir: 0o755, closed: 0, unreadable: 0} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod(closed, 0o700) })
	behind := filepath.Join(closed, "1000", "auth.json")
	asNobody(t, func() {
		if src := (place{path: behind, ofRoot: true}).read(); src.err != nil {
			t.Error(src.err)
		}
		for _, p := range []place{{path: behind}, {path: unreadable, ofRoot: true}} {
			if src := p.read(); src.err == nil {
				t.Errorf("%s cannot be read, and that is not told", p.path)
			}
		}
	})
}
