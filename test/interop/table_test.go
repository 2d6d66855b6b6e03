//go:build linux

package interop

import (
	"flag"
	"os"
	"strings"
	"testing"
)

// update writes what the engines did into docs/formats.md instead of comparing.
var update = flag.Bool("update", false, "write the table of what engines accept into docs/formats.md")

// table has the kinds of tars. docs/formats.md says who takes them.
var table = []struct {
	title           string
	archive, format string
	flags           []string
}{
	{"`--format docker`, one image or several", "docker-20.10-many.tar", "docker", nil},
	{"`--format docker`, no name", "docker-20.10-id.tar", "docker", nil},
	{"`--format docker --compress gzip`", "ctr-1.6.tar", "docker", []string{"--compress", "gzip"}},
	{"`--format docker --compress zstd`", "ctr-1.6.tar", "docker", []string{"--compress", "zstd"}},
	{"`--format oci`, one platform", "ctr-1.6.tar", "oci", nil},
	{"`--format oci --platform all`", "buildkit-oci.tar", "oci", []string{"--platform", "all"}},
	{"`--format oci`, several images", "podman-4.3-many.tar", "oci", nil},
	{"`--format oci`, no name", "oci-nameless.tar", "oci", nil},
	{"`--format oci`, several images, one without a name", "docker-28-graph.tar", "oci", nil},
	{"`--format oci`, layers in zstd", "oci-zstd-chunked.tar", "oci", nil},
	{"`--format oci --compress gzip`", "ctr-1.6.tar", "oci", []string{"--compress", "gzip"}},
	{"`--format oci --compress zstd`", "ctr-1.6.tar", "oci", []string{"--compress", "zstd"}},
}

const (
	formatsFile = "../../docs/formats.md"
	tableBegin  = "<!-- engines: written by go test ./interop -run TestCorpus -update -->\n"
	tableEnd    = "<!-- end of engines -->\n"
)

// checkTable compares what the engines did with what docs/formats.md says.
func checkTable(t *testing.T, archives []*carried, programs []engine) {
	t.Helper()
	raw, err := os.ReadFile(formatsFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(raw), tableBegin)
	said, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		t.Fatalf("%s has no table of engines", formatsFile)
	}
	did := engineTable(archives, programs)
	if said == did {
		return
	}
	if !*update {
		t.Fatalf("%s says\n%s\nbut the engines did\n%s", formatsFile, said, did)
	}
	writeFile(t, formatsFile, []byte(before+tableBegin+did+tableEnd+after), 0o644)
}

func engineTable(archives []*carried, programs []engine) string {
	var b strings.Builder
	b.WriteString("| |")
	for _, e := range programs {
		b.WriteString(" " + e.name + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(programs)) + "\n")
	for _, row := range table {
		b.WriteString("| " + row.title + " |")
		for _, c := range archives {
			if c.inTable && c.archive == row.title {
				for _, e := range programs {
					b.WriteString(" " + string(c.grade[e.name]) + " |")
				}
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}
