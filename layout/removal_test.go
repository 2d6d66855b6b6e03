package layout

import (
	"context"
	"errors"
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

// A blob that cannot be read or removed does not keep repair from the others.
func TestRepairGoesOn(t *testing.T) {
	d := newDir(t)
	var blobs []v1.Descriptor
	for _, content := range []string{"a", "b", "c", "d", "e"} {
		b := desc(content)
		blobs = append(blobs, b)
		path := filepath.Join(d.Path(), filepath.FromSlash(blobPath(b)))
		if err := os.WriteFile(path, []byte("wrong"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	rm := &removal{dir: d}
	judge := func(_ context.Context, b v1.Descriptor) (bool, error) {
		if b.Digest == blobs[0].Digest || b.Digest == blobs[3].Digest {
			return false, errors.New("bad sector of " + b.Digest.Encoded())
		}
		return false, nil
	}
	if err := rm.unless(t.Context(), blobs, judge); err != nil || len(rm.removed) != 3 {
		t.Errorf("removed %v, %v", rm.removed, err)
	}
	first := "2 blobs cannot be read or removed, the first: bad sector of " +
		min(blobs[0].Digest, blobs[3].Digest).Encoded()
	if err := rm.failure(); err == nil || err.Error() != first {
		t.Errorf("%v, want %s", err, first)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := rm.unless(ctx, blobs, judge); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it ended", err)
	}
}
