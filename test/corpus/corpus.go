// Package corpus knows the saved archives in testdata/archives: what is in each, told by the tool that wrote
// it, and how those are made whose writers are not at hand. [Read] gives the facts, [Generate] makes the
// archives again, byte for byte.
package corpus

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Dir is where the archives lie, seen from a package directory of the test module.
const Dir = "../../testdata/archives"

// factsFile stands beside the archives and says what is in them.
const factsFile = "facts.json"

// Archive is one saved archive.
type Archive struct {
	File    string  `json:"file"`
	Writer  string  `json:"writer"`            // tool and version
	Quirk   string  `json:"quirk"`             // what it stands for
	Command string  `json:"command,omitempty"` // that made it; empty for those of Generate
	Images  []Image `json:"images"`            // in the order of their first names, the nameless behind them
}

// Image is what an archive has under its names.
type Image struct {
	Names []string `json:"names,omitempty"` // full, with tags, sorted
	// of the manifest or index that a push of the archive keeps; empty if none travels
	Digest    digest.Digest `json:"digest,omitempty"`
	Platforms []Platform    `json:"platforms"` // those that are there; more than one only below an index
}

// Platform is an image on one platform.
type Platform struct {
	Platform string          `json:"platform"` // os/arch
	ID       digest.Digest   `json:"id"`       // of the configuration
	DiffIDs  []digest.Digest `json:"diffIDs"`
}

// Read returns what is known of all archives, in the order of their names. dir is that of the archives.
func Read(dir string) ([]Archive, error) {
	raw, err := os.ReadFile(filepath.Join(dir, factsFile))
	if err != nil {
		return nil, err
	}
	var all []Archive
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("%s: %v", factsFile, err)
	}
	return all, nil
}

// Update writes the generated archives, the facts and the table of all archives into dir. recorded are those
// that tools have written; nil keeps what the facts say of them.
func Update(dir string, recorded []Archive) error {
	if recorded == nil {
		known, err := Read(dir)
		if err != nil {
			return err
		}
		recorded = slices.DeleteFunc(known, func(a Archive) bool { return a.Command == "" })
	}
	for _, g := range Generate() {
		if err := os.WriteFile(filepath.Join(dir, g.File), g.Bytes, 0o644); err != nil {
			return err
		}
		recorded = append(recorded, g.Archive)
	}
	facts, table := Facts(recorded)
	if err := os.WriteFile(filepath.Join(dir, factsFile), facts, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "README.md"), table, 0o644)
}

// Facts are the two files beside the archives: what Read reads, and a table for people.
func Facts(all []Archive) (facts, table []byte) {
	slices.SortFunc(all, func(a, b Archive) int { return strings.Compare(a.File, b.File) })
	for _, a := range all {
		for _, im := range a.Images {
			slices.Sort(im.Names)
		}
		slices.SortStableFunc(a.Images, func(x, y Image) int { return strings.Compare(first(x), first(y)) })
	}
	facts, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		panic(err) // these types have nothing that JSON cannot say
	}
	return append(facts, '\n'), readme(all)
}

// first orders the nameless behind all others.
func first(im Image) string {
	if len(im.Names) == 0 {
		return "~" + im.Platforms[0].ID.String()
	}
	return im.Names[0]
}

const introduction = `# Saved archives

These archives are what tools write when they save an image. Each is small, and the table
says what is odd about it. The tests in ` + "`test/roundtrip`" + ` and ` + "`test/interop`" + ` take every
archive through inspect, verify, push and save. ` + "`facts.json`" + ` says what is in the archives:
names, image IDs, diff IDs and the digests that survive a push. Programs write both
` + "`facts.json`" + ` and this table.

- An archive with a command was written by that tool, from images of its own making. Its
  facts are what the tool says. ` + "`test/corpus/make.sh`" + `, run as root, makes these archives
  again. Times and random names differ each time.
- The package ` + "`test/corpus`" + ` makes the others, after the source code of their writers. They
  always have the same bytes: the layers in gzip and zstd have stored blocks, so that no
  release of a compressor changes them.

| file | written by | stands for | command |
|---|---|---|---|
`

func readme(all []Archive) []byte {
	var b strings.Builder
	b.WriteString(introduction)
	for _, a := range all {
		command := "generated"
		if a.Command != "" {
			command = "`" + a.Command + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", a.File, a.Writer, a.Quirk,
			strings.ReplaceAll(command, "|", `\|`))
	}
	return []byte(b.String())
}
