package imagenames_test

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"drayage/internal/imagenames"
	"drayage/internal/limits"
	"drayage/internal/plaintext"
)

// linesOf is how many lines a text may have: YAML ends them in more ways than an editor does.
func linesOf(text string) int {
	text = string(plaintext.UTF8([]byte(text)))
	if strings.Contains(text, "\xff\xfe") || strings.Contains(text, "\xfe\xff") {
		return len(text) + 1 // a later document may be in UTF-16
	}
	return len(lineEnds.FindAllString(text, -1)) + 1
}

var lineEnds = regexp.MustCompile(`[\r\n\x{85}\x{2028}\x{2029}]`)

// Lines are those of YAML.
func TestLines(t *testing.T) {
	for text, want := range map[string]int{
		"a: b\r\nimage: alpine": 2, "\n\nimage: alpine": 3, "\u0085\u2028\u2029image: alpine": 4,
		"{\n\"image\":\n\"alpine\"}": 3, "FROM alpine": 1,
	} {
		finder := imagenames.Finder{Options: imagenames.Options{Valid: valid, Any: true}}
		err := finder.Read(context.Background(), strings.NewReader(text), "x")
		if err != nil || len(finder.Names) != 1 || finder.Names[0].Line != want || linesOf(text) < want {
			t.Errorf("%q of %d lines: %v, %v", text, linesOf(text), finder.Names, err)
		}
	}
}

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
			lines := linesOf(text)
			for _, n := range finder.Names {
				if valid(n.Text) != nil || n.Line < 1 || n.Line > lines {
					t.Errorf("line %d of %d: %q, %v", n.Line, lines, n.Text, err)
				}
			}
			if len(finder.Names) > limits.NamesSteps {
				t.Errorf("%d names", len(finder.Names))
			}
		}
	})
}
