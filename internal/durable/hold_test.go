package durable_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"drayage/internal/durable"
	"drayage/internal/filelock"
)

func TestHold(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	h, err := durable.HoldFolders("x.tar", a, b, a+"/.")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := durable.HoldFolders("x.tar", b); !errors.Is(err, filelock.ErrLocked) {
		t.Errorf("held twice: %v", err)
	}
	other, err := durable.HoldFolders("y.tar", a)
	if err != nil {
		t.Errorf("another archive: %v", err)
	}
	other.Release()
	if err := h.Stays(); err != nil {
		t.Error(err)
	}
	h.Release()
	h.Release()
	for _, dir := range []string{a, b} {
		if all, err := os.ReadDir(dir); err != nil || len(all) > 0 {
			t.Errorf("left: %v, %v", all, err)
		}
	}
	if err := os.WriteFile(filepath.Join(a, "x.tar.partial.lock"), nil, 0o600); err != nil { // by a killed run
		t.Fatal(err)
	}
	h, err = durable.HoldFolders("x.tar", a)
	if err != nil {
		t.Fatal(err)
	}
	h.Release()
	defer filelock.Without(errors.New("no locks here"))()
	if h, err = durable.HoldFolders("x.tar", a); err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	if err := h.Stays(); err != nil {
		t.Error(err)
	}
}

// A path may lead to another folder all of a sudden, as when a medium is taken away.
func TestHoldOfVanishedFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "medium")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	h, err := durable.HoldFolders("x.tar", dir)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	if err := os.Rename(dir, dir+"2"); err != nil {
		t.Skip(err)
	}
	if h.Stays() == nil {
		t.Error("a folder that is not there stays")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if h.Stays() == nil {
		t.Error("another folder is taken for it")
	}
}
