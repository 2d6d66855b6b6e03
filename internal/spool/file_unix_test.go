//go:build unix

package spool

import "testing"

// Where there are no files without a name, the name is taken away.
func TestUnlinked(t *testing.T) {
	dir := t.TempDir()
	f, err := unlinked(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	empty(t, dir)
	if _, err := f.WriteString("x"); err != nil {
		t.Error(err)
	}
}
