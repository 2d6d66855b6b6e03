package imagenames_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"drayage/internal/imagenames"
	"drayage/registry"
)

var update = flag.Bool("update", false, "write the remarks of testdata anew; names are written by people")

func valid(name string) error {
	_, err := registry.ParseTyped(name)
	return err
}

// TestFiles reads the files of each archive in testdata/files. "want" in it is the list that a person would
// write, "remarks" what is said besides. Words of the first line are options.
func TestFiles(t *testing.T) {
	paths, err := filepath.Glob("testdata/files/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no files", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			testArchive(t, path, ar)
		})
	}
}

func testArchive(t *testing.T, path string, ar *txtar.Archive) {
	f := imagenames.Finder{Options: options(t, string(ar.Comment))}
	t.Chdir(t.TempDir())
	parts := map[string]string{}
	for _, file := range ar.Files {
		parts[file.Name] = string(file.Data)
		if err := os.MkdirAll(filepath.Dir(file.Name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file.Name, file.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range f.Given {
		read(t, &f, file)
	}
	var names, remarks []string
	for _, n := range f.Names {
		if !slices.Contains(names, n.Text) {
			names = append(names, n.Text)
		}
		checkLine(t, n, parts[n.File])
	}
	for _, r := range f.Remarks {
		mark := " "
		if r.Missing {
			mark = "!"
		}
		remarks = append(remarks, mark+" "+r.String())
	}
	want := strings.Fields(parts["want"])
	slices.Sort(want)
	slices.Sort(names)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	compareRemarks(t, path, ar, strings.Join(append(remarks, ""), "\n"))
}

func compareRemarks(t *testing.T, path string, ar *txtar.Archive, got string) {
	at := slices.IndexFunc(ar.Files, func(f txtar.File) bool { return f.Name == "remarks" })
	want := ""
	if at >= 0 {
		want = string(ar.Files[at].Data)
	}
	if want == got {
		return
	}
	if !*update {
		t.Error(cmp.Diff(want, got))
		return
	}
	if at >= 0 {
		ar.Files = slices.Delete(ar.Files, at, at+1)
	}
	if got != "" {
		ar.Files = append(ar.Files, txtar.File{Name: "remarks", Data: []byte(got)})
	}
	t.Chdir(start)
	if err := os.WriteFile(path, txtar.Format(ar), 0o644); err != nil {
		t.Fatal(err)
	}
}

// start is the directory of this package.
var start, _ = os.Getwd()

func options(t *testing.T, line string) (o imagenames.Options) {
	o.Valid = valid
	env := map[string]string{}
	o.Env = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	for _, word := range strings.Fields(line) {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "any":
			o.Any = true
		case "profile":
			o.Profiles = append(o.Profiles, value)
		case "env-file":
			o.EnvFiles = append(o.EnvFiles, value)
		case "env":
			name, value, _ := strings.Cut(value, "=")
			env[name] = value
		case "file":
			o.Given = append(o.Given, value)
		default:
			t.Fatalf("unknown option %q", word)
		}
	}
	return o
}

func read(t *testing.T, f *imagenames.Finder, file string) {
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !imagenames.Recognise(raw[:min(len(raw), imagenames.HeadSize)], file, f.Any) {
		t.Errorf("%s is not recognised", file)
	}
	if err := f.Read(context.Background(), bytes.NewReader(raw), file); err != nil {
		t.Errorf("%s: %v", file, err)
	}
}

// word is what the line of a name must have in common with it, unless variables make the name.
var word = regexp.MustCompile(`[a-z0-9-]+`)

func checkLine(t *testing.T, n imagenames.Name, text string) {
	lines := strings.Split(text, "\n")
	if n.Line < 1 || n.Line > len(lines) {
		t.Errorf("%s:%d: %s: there is no such line", n.File, n.Line, n.Text)
		return
	}
	line := strings.Join(lines[n.Line-1:min(n.Line+1, len(lines))], "\n") // text may begin below its key
	if name := path(n.Text); !strings.Contains(line, name) && !strings.Contains(line, "$") {
		t.Errorf("%s:%d: %s is not in %q", n.File, n.Line, name, line)
	}
}

// path is the last part of a name, without tag and digest.
func path(name string) string { return word.FindString(name[strings.LastIndex(name, "/")+1:]) }

func find(t *testing.T, file, text string) (names, remarks []string) {
	t.Helper()
	f := imagenames.Finder{Options: imagenames.Options{Valid: valid}}
	if err := f.Read(context.Background(), strings.NewReader(text), file); err != nil {
		remarks = append(remarks, "error: "+err.Error())
	}
	for _, n := range f.Names {
		names = append(names, fmt.Sprintf("%d %s", n.Line, n.Text))
	}
	for _, r := range f.Remarks {
		remarks = append(remarks, r.String())
	}
	return names, remarks
}
