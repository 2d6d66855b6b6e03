package layout

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Wild case 40: a fetch beside repair may replace a wrong blob after repair has read it. Then it stays.
func TestWild40RepairJudgesAgain(t *testing.T) {
	d := newDir(t)
	b := desc("right")
	path := filepath.Join(d.Path(), filepath.FromSlash(blobPath(b)))
	if err := os.WriteFile(path, []byte("a wrong one"), 0o644); err != nil {
		t.Fatal(err)
	}
	wrong := v1.Descriptor{Digest: b.Digest, Size: int64(len("a wrong one"))}
	judged := func(context.Context, v1.Descriptor) (bool, error) {
		return false, os.WriteFile(path, []byte("right"), 0o644) // as a fetch does
	}
	if removed, err := d.removeOne(t.Context(), wrong, judged); removed || err != nil {
		t.Errorf("removed: %v, %v", removed, err)
	}
	if raw, err := os.ReadFile(path); string(raw) != "right" {
		t.Errorf("the blob is %q, %v", raw, err)
	}
	if left, err := os.ReadDir(filepath.Join(d.Path(), partDir)); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}
