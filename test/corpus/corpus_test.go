package corpus

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// maxSize bounds what an archive may weigh in the repository.
const maxSize = 60 << 10

// TestGeneratedAreCommitted compares what the generator makes with what lies in the repository.
func TestGeneratedAreCommitted(t *testing.T) {
	const hint = "run: go run ./cmd/corpus"
	known, err := Read(Dir)
	if err != nil {
		t.Fatal(err)
	}
	all := slices.DeleteFunc(known, func(a Archive) bool { return a.Command == "" })
	for _, g := range Generate() {
		committed, err := os.ReadFile(filepath.Join(Dir, g.File))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(committed, g.Bytes) {
			t.Errorf("%s is not what is generated; %s", g.File, hint)
		}
		all = append(all, g.Archive)
	}
	facts, table := Facts(all)
	for name, want := range map[string][]byte{factsFile: facts, "README.md": table} {
		got, err := os.ReadFile(filepath.Join(Dir, name))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s is not what is generated; %s", name, hint)
		}
	}
}

// TestEveryArchiveIsKnown finds files without facts and facts without files.
func TestEveryArchiveIsKnown(t *testing.T) {
	known, err := Read(Dir)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(Dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]bool{factsFile: true, "README.md": true}
	for _, a := range known {
		if files[a.File] {
			t.Errorf("%s is listed twice", a.File)
		}
		files[a.File] = true
		if a.Writer == "" || a.Quirk == "" || len(a.Images) == 0 {
			t.Errorf("%s: who wrote it, what for, or its images are not said", a.File)
		}
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if !files[e.Name()] {
			t.Errorf("nothing is known of %s", e.Name())
		}
		if info.Size() > maxSize && e.Name() != factsFile {
			t.Errorf("%s has %d bytes, more than %d", e.Name(), info.Size(), maxSize)
		}
		delete(files, e.Name())
	}
	for name := range files {
		t.Errorf("%s is not there", name)
	}
}
