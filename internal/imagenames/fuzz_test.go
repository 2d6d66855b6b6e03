package imagenames_test

import (
	"context"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"path/filepath"

	"drayage/internal/imagenames"
	"drayage/internal/limits"
)

// FuzzRead checks that nothing panics, and that names are valid and stand on lines of the file.
func FuzzRead(f *testing.F) {
	paths, _ := filepath.Glob("testdata/files/*.txtar")
	if len(paths) == 0 {
		f.Fatal("no seeds")
	}
	for _, path := range paths {
		ar, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range ar.Files {
			f.Add(string(file.Data))
		}
	}
	f.Add("a: &a [*a, *a]\nservices: {a: {<<: *a, image: $A}}")
	f.Add("{\"items\": [{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"containers\": [{\"image\": \"a\"}]}]}")
	f.Fuzz(func(t *testing.T, text string) {
		for _, file := range []string{"x", "compose.yaml"} {
			finder := imagenames.Finder{Options: imagenames.Options{Valid: valid, Any: true}}
			err := finder.Read(context.Background(), strings.NewReader(text), filepath.Join("/nonexistent", file))
			lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1
			for _, n := range finder.Names {
				if valid(n.Text) != nil || n.Line < 1 || n.Line > 4*lines {
					t.Errorf("line %d of %d: %q, %v", n.Line, lines, n.Text, err)
				}
			}
			if len(finder.Names) > limits.NamesSteps {
				t.Errorf("%d names", len(finder.Names))
			}
		}
	})
}
