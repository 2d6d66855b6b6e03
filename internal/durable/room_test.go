package durable_test

import (
	"errors"
	"math"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"drayage/internal/durable"
)

func TestRoom(t *testing.T) {
	dir := t.TempDir()
	if err := durable.Room(dir, 1, 1); err != nil {
		t.Errorf("for a byte: %v", err)
	}
	if err := durable.Room(filepath.Join(dir, "none"), math.MaxInt64, 0); err != nil {
		t.Errorf("where nothing is told: %v", err)
	}
	free, err := durable.Free(dir)
	if err != nil || free < 0 {
		t.Skip("the file system does not tell how much it has left")
	}
	err = durable.Room(dir, math.MaxInt64, 1)
	if !errors.Is(err, syscall.ENOSPC) || !durable.DiskFailed(err) || !strings.Contains(err.Error(), dir) {
		t.Errorf("for more than any disk has: %v", err)
	}
}
