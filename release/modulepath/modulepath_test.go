package modulepath_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"drayage/release/modulepath"
)

// TestSetPath gives a copy of the tree another path. Every module of it has to build, and to be tidy,
// afterwards.
func TestSetPath(t *testing.T) {
	const path = "example.org/someone/drayage"
	root := copyTree(t)
	changed, err := modulepath.Set(root, path)
	if err != nil {
		t.Fatal(err)
	}
	if len(changed) < 100 {
		t.Errorf("only %d files have changed", len(changed))
	}
	for _, module := range []string{".", "test", "release", "site", "test/outside", "test/compose",
		"test/engines", "test/scale"} {
		dir := filepath.Join(root, module)
		name := run(t, dir, "go", "list", "-m")
		if module != "test/outside" && name != strings.TrimSuffix(path+"/"+module, "/.") {
			t.Errorf("%s is the module %s", module, name)
		}
		run(t, dir, "go", "vet", "./...") // builds packages and tests
		if diff := run(t, dir, "go", "mod", "tidy", "-diff"); diff != "" {
			t.Errorf("%s: go mod tidy would change\n%s", module, diff)
		}
	}
	if name := run(t, root, "go", "list", "./cmd/drayage"); name != path+"/cmd/drayage" {
		t.Errorf("the command is %s", name)
	}
	run(t, root, "go", "test", "./internal/architecture")

	again, err := modulepath.Set(root, path)
	if err != nil || len(again) != 0 {
		t.Errorf("set again: %d files have changed, %v", len(again), err)
	}
}

func TestBadPaths(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module drayage\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", "drayage", "https://example.org/a", "example.org/a b", "/example.org/a"} {
		if changed, err := modulepath.Set(dir, path); err == nil {
			t.Errorf("%q is taken, %v have changed", path, changed)
		}
	}
}

// TestOnlyPathsChange has things that look like the path and are something else.
func TestOnlyPathsChange(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module drayage\n\ngo 1.26.0\n\nrequire drayages.example/x v1.0.0 // drayage/x\n")
	write("a.go", `package a

import "drayage/b"
import _ "drayages/c"

const module = "drayage"

const name = "drayage"

var agent = "drayage/" + b.Version // drayage/b
`)
	if _, err := modulepath.Set(dir, "example.org/d"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"go.mod": "module example.org/d\n\ngo 1.26.0\n\nrequire drayages.example/x v1.0.0 // drayage/x\n",
		"a.go": `package a

import "example.org/d/b"
import _ "drayages/c"

const module = "example.org/d"

const name = "drayage"

var agent = "drayage/" + b.Version // drayage/b
`,
	} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

// copyTree copies what git has of the tree.
func copyTree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name := range strings.SplitSeq(run(t, "../..", "git", "ls-files"), "\n") {
		raw, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s in %s: %v\n%s", name, strings.Join(args, " "), dir, err, out)
	}
	return strings.TrimSpace(string(out))
}
