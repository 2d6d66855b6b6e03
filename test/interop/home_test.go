//go:build linux

package interop

import (
	"os"
	"path/filepath"
	"testing"
)

// home is a user's home directory, in which the configuration files of engines lie.
type home string

func newHome(t *testing.T) home {
	t.Helper()
	return home(scratch(t))
}

// write puts a file below the home directory and returns its path.
func (h home) write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(string(h), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, content, 0o600)
	return path
}

// in makes a command the user's.
func (h home) in(i invocation) invocation {
	i.env = append(i.env, "HOME="+string(h), "DOCKER_CONFIG="+filepath.Join(string(h), ".docker"))
	return i
}

// drayage runs the command under test as the user.
func (h home) drayage(t *testing.T, args ...string) outcome {
	t.Helper()
	return h.in(drayageCommand(t, args...)).run(t)
}

// skopeo runs skopeo as the user. The command must succeed.
func (h home) skopeo(t *testing.T, args ...string) string {
	t.Helper()
	require(t, "skopeo")
	o := h.in(invocation{argv: append([]string{"skopeo", "--insecure-policy"}, args...)}).run(t)
	o.ok(t)
	return o.stdout
}
