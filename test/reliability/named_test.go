//go:build linux

package reliability

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest    = regexp.MustCompile("`(Test[A-Za-z0-9]+)`")
	declaredTest = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`)
)

// The document names tests. All of them are there.
func TestNamedTestsExist(t *testing.T) {
	declared := map[string]bool{}
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		raw, err := fs.ReadFile(root, path)
		for _, m := range declaredTest.FindAllSubmatch(raw, -1) {
			declared[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	named := namedTest.FindAllSubmatch(raw, -1)
	if len(named) == 0 {
		t.Error("the document names no tests")
	}
	for _, m := range named {
		if !declared[string(m[1])] {
			t.Errorf("there is no %s", m[1])
		}
	}
}
