package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Layers with holes are told from nothing but themselves: a file is copied then, though it is only looked at.
func TestLookingAtHolesNeedsACopy(t *testing.T) {
	raw, err := os.ReadFile("../../testdata/archives/retar-sparse.tar")
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write(raw)
	w.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "sparse.tar.gz")
	if err := os.WriteFile(file, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := run([]string{"drayage", "inspect", file, "--temp-dir", dir}, nil, &stdout, &stderr); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(stdout.String(), "holes:1") ||
		!strings.Contains(stderr.String(), "is copied to a temporary file in "+dir) {
		t.Errorf("it prints %q, and says %q", stdout.String(), stderr.String())
	}
}
