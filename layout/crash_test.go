package layout_test

import (
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	tt "drayage/internal/transfertest"
	"drayage/layout"
)

// A process that is killed while it writes index.json leaves a file of a name that is not used again.
func TestRemainsOfAnIndexAreRemoved(t *testing.T) {
	content := []byte("content")
	desc := image.Describe(v1.MediaTypeImageManifest, content)
	dir := t.TempDir()
	for _, name := range []string{"index.json.OLD", "oci-layout.OLD"} {
		write(t, filepath.Join(dir, ".drayage", name), "half")
	}
	d := create(t, dir)
	for _, name := range []string{"index.json.OLDER", "index.json.OLDEST"} {
		write(t, filepath.Join(dir, ".drayage", name), "half")
	}
	if err := d.Push(t.Context(), desc, &tt.Source{Content: content}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Tag(t.Context(), desc, "docker.io/library/app:1", "1"); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".drayage", "*.*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %q, %v", left, err)
	}
}

// A damaged index.json stays where it is until there is a new one, so that a repair that is broken off
// loses no names.
func TestRepairGoesOnAfterACrash(t *testing.T) {
	dir, _, index := damaged(t)
	torn := index[:len(index)-10]
	write(t, filepath.Join(dir, "index.json"), string(torn))
	write(t, filepath.Join(dir, "index.json.damaged-1"), string(torn))
	write(t, filepath.Join(dir, ".drayage", "index.json.HALF"), "half")
	r, err := layout.Repair(t.Context(), dir)
	if err != nil || r.Kept != "index.json.damaged-1" || r.Saved == 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "index.json.damaged-2")); err == nil {
		t.Error("the damaged index.json is kept twice")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".drayage", "*.*")); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}
