package layout

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A link that leads nowhere is told for what it is: the system only says "file exists".
func TestCreateDirAtADanglingLink(t *testing.T) {
	dir := t.TempDir()
	link, to := filepath.Join(dir, "link"), filepath.Join(dir, "stick")
	if err := os.Symlink(to, link); err != nil {
		t.Skip(err)
	}
	if d, err := CreateDir(t.Context(), link); err == nil || !strings.Contains(err.Error(), "a link to") {
		t.Errorf("%v, %v", d, err)
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := CreateDir(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}
