package cut

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A stranger's medium may have a link in place of a volume: nothing is written through it.
func TestLinkInTheWay(t *testing.T) {
	for _, name := range []string{"x.tar.001", "x.tar.200", "x.tar.p01", "x.tar.set", "x.tar.set.minisig"} {
		dir := t.TempDir()
		victim := filepath.Join(dir, "victim")
		if err := os.WriteFile(victim, []byte("kept"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("victim", filepath.Join(dir, name)); err != nil {
			t.Skip(err)
		}
		w, err := Create(filepath.Join(dir, "x.tar"), Options{Volume: 1 << 20})
		if err == nil {
			w.Abort()
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("a link as %s: %v", name, err)
		}
		if raw, err := os.ReadFile(victim); err != nil || string(raw) != "kept" {
			t.Errorf("through %s: %q, %v", name, raw, err)
		}
	}
}
