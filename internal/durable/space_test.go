package durable_test

import (
	"path/filepath"
	"testing"

	"drayage/internal/durable"
)

func TestFree(t *testing.T) {
	dir := t.TempDir()
	if n, err := durable.Free(dir); n == 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := durable.Free(filepath.Join(dir, "absent")); n >= 0 {
		t.Errorf("of a directory that is not there: %d, %v", n, err)
	}
}
