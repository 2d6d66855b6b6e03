package dockerarchive_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// addCorpus seeds a fuzz target with archives that real tools wrote. While it is really fuzzed it has small
// seeds only: of large ones every find is made smaller for a minute.
func addCorpus(f *testing.F) {
	f.Helper()
	if fuzzing := flag.Lookup("test.fuzz"); fuzzing != nil && fuzzing.Value.String() != "" {
		return
	}
	const dir = "../testdata/archives"
	entries, err := os.ReadDir(dir)
	if err != nil {
		f.Fatal(err)
	}
	added := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".tar") {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		added++
	}
	if added == 0 {
		f.Fatalf("no archive in %s", dir)
	}
}
