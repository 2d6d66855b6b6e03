package build

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func tree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "main.go")
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"commit", "-q", "-m", "all"}} {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com",
			"-c", "commit.gpgsign=false"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	return dir
}

func write(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("package main\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestReadRefusesOtherFiles has a file that git does not know: the go command would build it too.
func TestReadRefusesOtherFiles(t *testing.T) {
	dir := tree(t)
	if _, err := Read(t.Context(), dir, "v1.0.0", false); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "more.go")
	_, err := Read(t.Context(), dir, "v1.0.0", false)
	if err == nil || !strings.Contains(err.Error(), "more.go") {
		t.Errorf("the error is %v, and more.go is no part of the commit", err)
	}
	s, err := Read(t.Context(), dir, "v1.0.0", true)
	if err != nil || !strings.HasSuffix(s.Commit, "-dirty") {
		t.Errorf("%q, %v", s.Commit, err)
	}
}

// TestUnchanged has a tree that changes while it is built, as one does in which somebody works.
func TestUnchanged(t *testing.T) {
	dir := tree(t)
	s, err := Read(t.Context(), dir, "v1.0.0", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Unchanged(t.Context()); err != nil {
		t.Error(err)
	}
	write(t, dir, "more.go")
	if err := s.Unchanged(t.Context()); err == nil || !strings.Contains(err.Error(), "more.go") {
		t.Errorf("the error is %v, and more.go has come", err)
	}
	if s, err = Read(t.Context(), dir, "v1.0.0", true); err != nil {
		t.Fatal(err)
	}
	if err := s.Unchanged(t.Context()); err != nil {
		t.Errorf("a dirty tree may be built: %v", err)
	}
}

func TestReadTakesNothingButVersions(t *testing.T) {
	dir := tree(t)
	for _, version := range []string{"v1.0.0", "v0.10.3", "v1.0.0-rc.1", "v1.0.0-beta"} {
		if _, err := Read(t.Context(), dir, version, false); err != nil {
			t.Errorf("%q: %v", version, err)
		}
	}
	for _, version := range []string{"v1", "1.0.0", "v01.0.0", "../v1.0.0", "v1.0.0;id", "v1.0.0\n", "v1.0.0-",
		"v1.0.0-a..b", "v1.0.0-rc.", "v1.0.0+1"} {
		if _, err := Read(t.Context(), dir, version, false); err == nil {
			t.Errorf("%q is taken", version)
		}
	}
}
