//go:build linux

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"drayage/test/hostile"
	"drayage/test/reliability"
)

// verdict is what a program makes of an archive that attacks it.
type verdict string

const (
	refuses verdict = "refuses"
	takes   verdict = "takes"
	ignores verdict = "takes nothing, and says nothing"
	hangs   verdict = "hangs"
	other   verdict = "–" // the archive is not of the format that it reads
)

// What the programs make of hostile archives is written down, not judged, because they may differ; but if
// drayage takes one that is to be refused, this fails. It takes several minutes, so it runs with
// DRAYAGE_HOSTILE=1 only; -update enters the table for docs/reliability.md.
func TestHostileArchives(t *testing.T) {
	if os.Getenv("DRAYAGE_HOSTILE") == "" {
		t.Skip("DRAYAGE_HOSTILE is not set")
	}
	defer func(usual time.Duration) { commandTimeout = usual }(commandTimeout)
	commandTimeout = 30 * time.Second // what takes longer hangs
	archives := hostile.Archives()
	files := make([]string, len(archives))
	dir := scratch(t)
	for i, a := range archives {
		files[i] = filepath.Join(dir, fmt.Sprint(i, ".tar"))
		if err := a.Write(files[i]); err != nil {
			t.Fatal(err)
		}
	}
	programs := append([]engine{{"drayage", loadByDrayage}}, engines(t)...)
	var mu sync.Mutex
	table := make([][]string, len(archives))
	for i := range table {
		table[i] = make([]string, len(programs))
	}
	t.Run("programs", func(t *testing.T) {
		for column, e := range programs {
			t.Run(e.name, func(t *testing.T) {
				t.Parallel()
				for row, a := range archives {
					v := e.face(t, a, files[row])
					if e.name == "drayage" && (v == refuses) == (a.Taken && !a.Named) {
						t.Errorf("case %d, %s: drayage %s it", a.Case, a.Name, v)
					}
					mu.Lock()
					table[row][column] = string(v)
					mu.Unlock()
				}
			})
		}
	})
	enterHostile(t, archives, programs, table)
}

// face lets the program read the archive.
func (e engine) face(t *testing.T, a hostile.Archive, file string) verdict {
	t.Helper()
	if e.name == skopeoOCI && !a.OCI || strings.HasSuffix(e.name, "docker-archive") && a.OCI {
		return other
	}
	began := time.Now()
	all, err := e.load(t, file, []string{hostile.Name})
	switch {
	case err != nil && time.Since(began) > commandTimeout-time.Second:
		return hangs
	case len(all) == 0 && err == nil:
		return ignores
	case len(all) == 0:
		t.Logf("case %d, %s: %v", a.Case, a.Name, err)
		return refuses
	case !a.Rival:
		return takes
	case all[0].id == hostile.ID():
		return takes + " the first"
	}
	return takes + " the second"
}

// loadByDrayage reads all of an archive.
func loadByDrayage(t *testing.T, archive string, _ []string) ([]loaded, error) {
	t.Helper()
	if _, err := drayageCommand(t, "verify", "-q", archive).try(t); err != nil {
		return nil, err
	}
	return []loaded{{name: unknown}}, nil
}

func enterHostile(t *testing.T, archives []hostile.Archive, programs []engine, table [][]string) {
	t.Helper()
	s := reliability.Section{
		Title: "Hostile archives and other programs", Date: time.Now().UTC().Format(time.DateOnly),
		Source: "make hostile",
		Text: "The table shows what drayage and other programs make of the same archives. The other programs " +
			"have the versions of Debian 12. \"Takes\" says only that an image was there afterwards. " +
			"\"Hangs\" says that the program had not ended after half a minute, on a busy machine. The " +
			"worst archives are those that two programs take as two images: what was checked is not what " +
			"runs.",
		Head: []string{"#", "archive", "ought to be"},
	}
	for _, e := range programs {
		s.Head = append(s.Head, e.name)
	}
	for i, a := range archives {
		ought := "refused"
		if a.Named {
			ought = "taken, but reported"
		} else if a.Taken {
			ought = "taken"
		}
		s.Rows = append(s.Rows, append([]string{fmt.Sprint(a.Case), a.Name, ought}, table[i]...))
	}
	for _, row := range s.Rows {
		t.Log(strings.Join(row, " | "))
	}
	if !*update {
		return
	}
	if err := s.Save(filepath.Join("..", "reliability", "testdata"), "75-hostile-programs"); err != nil {
		t.Error(err)
	}
}
