package architecture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestChangesAreToldOnce: a merge may bring back entries that stand elsewhere already.
func TestChangesAreToldOnce(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(raw)) {
		if !strings.HasPrefix(line, "- ") {
			continue
		}
		if seen[line] {
			t.Errorf("CHANGELOG.md says twice: %s", line)
		}
		seen[line] = true
	}
	if len(seen) < 20 {
		t.Errorf("only %d entries", len(seen))
	}
}
