//go:build linux

package interop

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// TestSaveEqualsDockerSave compares what docker save writes of an image with what drayage saves of it after a
// push, or of that tar: the same entries with the same bytes, layer ids included. The order of entries and
// their times may differ. One difference is meant: where a layer stands in the image twice, the second
// layer.tar is a link in both, but drayage's manifest.json names the file that it points to, because some
// readers follow no links.
func TestSaveEqualsDockerSave(t *testing.T) {
	b := build(t)
	for _, image := range []string{"built", "child"} {
		t.Run(image, func(t *testing.T) {
			ref := startRegistry3(t) + "/team/" + image + ":1"
			b.run(t, "tag", image+":1", ref) // Docker writes a name that has a registry in it as it is
			theirs := saveImages(t, b, ref)
			drayage(t, "push", theirs, ref).ok(t)
			for _, source := range []string{ref, theirs} {
				ours := filepath.Join(scratch(t), "ours.tar")
				save := drayageCommand(t, "save", source, "-o", ours)
				save.env = []string{"TZ=America/New_York"} // Docker's ids depend on its time zone, drayage's must not
				save.run(t).ok(t)
				compareTars(t, ours, theirs)
			}
		})
	}
}

func compareTars(t *testing.T, gotFile, wantFile string) {
	t.Helper()
	got, want := entries(t, gotFile), entries(t, wantFile)
	for name, entry := range want {
		if entry.link != "" {
			want["manifest.json"] = want["manifest.json"].replace(name, path.Join(path.Dir(name), entry.link))
		}
	}
	names := map[string]bool{}
	for name := range got {
		names[name] = true
	}
	for name := range want {
		names[name] = true
	}
	var differing []string
	for name := range names {
		if got[name] != want[name] {
			differing = append(differing, fmt.Sprintf("%s\n     got: %v\n    want: %v", name, got[name], want[name]))
		}
	}
	slices.Sort(differing)
	for _, difference := range differing {
		t.Error(difference)
	}
	t.Logf("%d entries compared, %d differ", len(names), len(differing))
}

// entry is what a tar says of one name. The zero entry is an absent one.
type entry struct {
	kind    byte
	mode    fs.FileMode // permissions
	link    string
	content string // of a layer.tar its digest
}

func (e entry) replace(old, new string) entry {
	e.content = strings.ReplaceAll(e.content, old, new)
	return e
}

func (e entry) String() string {
	if e.kind == 0 {
		return "absent"
	}
	return fmt.Sprintf("type %c, mode %04o, link %q, content %q", e.kind, e.mode, e.link, e.content)
}

// entries reads a whole tar by name.
func entries(t *testing.T, file string) map[string]entry {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]entry{}
	for reader := tar.NewReader(f); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, double := all[header.Name]; double {
			t.Errorf("%s has the entry %s twice", file, header.Name)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		if path.Base(header.Name) == "layer.tar" && len(content) > 0 {
			content = []byte(digest.FromBytes(content))
		}
		all[header.Name] = entry{header.Typeflag, header.FileInfo().Mode().Perm(), header.Linkname, string(content)}
	}
}
