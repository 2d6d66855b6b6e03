package hostconfig

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
			// The call has no error; a second one returns what the first has set.
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

// TestPermission: a directory that is closed to the user counts as absent, a file in an open one is an error.
func TestPermission(t *testing.T) {
	ca := newAuthority(t, "ca")
	files, root := tree(t, map[string]string{
		"containerd/closed.corp/hosts.toml": `[host."m.corp"]`,
		"docker/closed.corp/ca.crt":         "x",
		"containerd/file.corp/hosts.toml":   `[host."m.corp"]`,
		"docker/key.corp/ca.crt":            ca.pem,
		"closed.d/registries.conf":          "registry = 1",
		"closed.d/drop/1.conf":              "registry = 1",
	})
	files.ContainerdCerts = append([]string{filepath.Join(root, "closed.d", "containerd")},
		files.ContainerdCerts...)
	files.DockerCerts = append([]string{filepath.Join(root, "closed.d", "docker")}, files.DockerCerts...)
	files.RegistriesConf = []RegistriesConf{{
		File: filepath.Join(root, "closed.d", "registries.conf"),
		Dirs: []string{filepath.Join(root, "closed.d", "drop")},
	}}
	for _, name := range []string{"containerd/closed.corp", "docker/closed.corp", "closed.d",
		"containerd/file.corp/hosts.toml", "docker/key.corp/ca.crt"} {
		closed := filepath.Join(root, filepath.FromSlash(name))
		if err := os.Chmod(closed, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(closed, 0o700) })
	}
	openParents(t, root)
	asNobody(t, func() {
		got, err := files.Endpoints("closed.corp", "a")
		if want := "//closed.corp/v2/ a " + all; err != nil || showAll(got) != want {
			t.Errorf("got %s, %v, want %s", showAll(got), err, want)
		}
		_, err = files.Endpoints("file.corp", "a")
		if !os.IsPermission(err) {
			t.Errorf("hosts.toml that cannot be read: %v", err)
		}
		_, err = files.Endpoints("key.corp", "a")
		if !os.IsPermission(err) {
			t.Errorf("certificate that cannot be read: %v", err)
		}
	})
}

// openParents lets every user enter a test's directory, as is usual for those in question.
func openParents(t *testing.T, dir string) {
	t.Helper()
	for ; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPipe: reading a pipe would never end.
func TestPipe(t *testing.T) {
	files, root := tree(t, map[string]string{"containerd/r.corp/x": "", "docker/s.corp/x": ""})
	for _, name := range []string{"containerd/r.corp/hosts.toml", "docker/s.corp/ca.crt", "registries.conf"} {
		pipe := filepath.Join(root, filepath.FromSlash(name))
		if err := unix.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readFile(pipe)
		wantError(t, err, pipe, "regular")
	}
	_, err := files.Endpoints("r.corp", "a")
	wantError(t, err, "hosts.toml", "regular")
}
