package dockerauth

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func auth(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	return write(t, filepath.Join(t.TempDir(), "config.json"), text)
}

// box is a user with an environment and a home directory of its own.
type box struct {
	*testing.T
	home string
	env  map[string]string
	opts Options

	mu       sync.Mutex
	warnings []string
}

func newBox(t *testing.T) *box {
	b := &box{T: t, home: t.TempDir(), env: map[string]string{}}
	b.env["HOME"], b.env["USERPROFILE"], b.env["XDG_RUNTIME_DIR"] = b.home, b.home, filepath.Join(b.home, "run")
	b.opts = Options{Getenv: func(name string) string { return b.env[name] }, Warn: b.warn}
	return b
}

func (b *box) warn(s string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.warnings = append(b.warnings, s)
}

// told fails unless there is a single warning that contains all parts, or none if there are no parts.
func (b *box) told(parts ...string) {
	b.Helper()
	if want := min(len(parts), 1); len(b.warnings) != want {
		b.Fatalf("warnings %q, want %d", b.warnings, want)
	}
	for _, p := range parts {
		if !strings.Contains(b.warnings[0], p) {
			b.Errorf("warning %q without %q", b.warnings[0], p)
		}
	}
}

func (b *box) write(name, text string) string {
	b.Helper()
	return write(b.T, filepath.Join(b.home, filepath.FromSlash(name)), text)
}

func (b *box) lookup(registry, repository string) (Credential, error) {
	return New(b.opts).Lookup(b.Context(), registry, repository)
}

// finds fails unless the user name that is found is the given one; "" means anonymous.
func (b *box) finds(registry, repository, user string) {
	b.Helper()
	if c, err := b.lookup(registry, repository); err != nil || c.Username != user {
		b.Errorf("%s/%s: %q, %v; want %q", registry, repository, c.Username, err, user)
	}
}

func entryOf(host, user string) string {
	return `{"auths":{"` + host + `":{"auth":"` + auth(user+":secret") + `"}}}`
}
