//go:build linux

package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/test/corpus"
)

// carried is an archive that engines are to read: one of the corpus as it is, or what drayage saved of it.
type carried struct {
	archive, format string // format is empty for the archive itself
	source          string
	flags           []string // of save
	file            string
	digest          digest.Digest    // of file
	images          []loaded         // what drayage sees in it, for this machine
	zstd            bool             // it has layers in zstd
	grade           map[string]grade // by engine
	inTable         bool             // docs/formats.md says how engines take it
}

func (c *carried) String() string { return strings.TrimSpace(c.archive + " " + c.format) }

// names are those that drayage sees.
func (c *carried) names() (all []string) {
	for _, l := range c.images {
		all = append(all, l.name)
	}
	return all
}

// tagged counts the images that have a tag and no full name.
func (c *carried) tagged() (n int) {
	for _, l := range c.images {
		if l.name == "" && l.tag != "" {
			n++
		}
	}
	return n
}

// nameless counts images without a name.
func (c *carried) nameless() (n int) {
	for _, l := range c.images {
		if l.name == "" {
			n++
		}
	}
	return n
}

// grade says how much of an archive an engine has taken.
type grade string

const (
	all     grade = "yes"
	some    grade = "in part"
	none    grade = "nothing"
	refused grade = "no"
)

// look asks drayage inspect what is in the archive, on this machine's platform where there are several.
func (c *carried) look(t *testing.T) {
	t.Helper()
	var doc struct {
		Images []struct {
			Names     []string
			Ref       string
			Platforms []struct {
				Platform string
				ImageID  digest.Digest
				Layers   []struct {
					DiffID    digest.Digest
					MediaType string
				}
			}
		}
	}
	show := drayageCommand(t, "inspect", "--json", "-q", c.file)
	show.quiet = true
	if err := json.Unmarshal([]byte(show.run(t).ok(t)), &doc); err != nil {
		t.Fatal(err)
	}
	for _, im := range doc.Images {
		for _, p := range im.Platforms {
			if len(im.Platforms) > 1 && p.Platform != "linux/"+runtime.GOARCH {
				continue
			}
			l := loaded{id: p.ImageID}
			for _, layer := range p.Layers {
				l.diffIDs = append(l.diffIDs, layer.DiffID)
				c.zstd = c.zstd || strings.HasSuffix(layer.MediaType, "zstd")
			}
			for _, l.name = range im.Names {
				c.images = append(c.images, l)
			}
			if len(im.Names) == 0 {
				l.tag = im.Ref
				c.images = append(c.images, l)
			}
		}
	}
}

// corpusArchives are all archives, each as it is and in both formats of drayage, and those of the table. What
// drayage saves of one is left out if another gives the same bytes.
func corpusArchives(t *testing.T) []*carried {
	t.Helper()
	known, err := corpus.Read(corpus.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var archives []*carried
	for _, a := range known {
		one, every := []string(nil), []string(nil)
		if slices.ContainsFunc(a.Images, func(im corpus.Image) bool { return len(im.Platforms) > 1 }) {
			one, every = []string{"--platform", "linux/" + runtime.GOARCH}, []string{"--platform", "all"}
		}
		source := inCorpus(t, a.File)
		archives = append(archives, &carried{archive: a.File, source: source},
			&carried{archive: a.File, source: source, format: "docker", flags: one},
			&carried{archive: a.File, source: source, format: "oci", flags: every})
	}
	for _, row := range table {
		archives = append(archives, &carried{archive: row.title, source: inCorpus(t, row.archive),
			format: row.format, flags: row.flags, inTable: true})
	}
	slices.SortStableFunc(archives, func(a, b *carried) int { return strings.Compare(a.String(), b.String()) })
	dir := scratch(t)
	t.Run("drayage", func(t *testing.T) {
		for i, c := range archives {
			t.Run(c.String(), func(t *testing.T) {
				t.Parallel()
				c.prepare(t, filepath.Join(dir, strconv.Itoa(i)))
			})
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	seen := map[digest.Digest]bool{}
	return slices.DeleteFunc(archives, func(c *carried) bool {
		again := seen[c.digest] && !c.inTable
		seen[c.digest] = true
		return again
	})
}

// prepare lets drayage write the archive anew, if it is to, and looks into it.
func (c *carried) prepare(t *testing.T, file string) {
	c.file, c.grade = c.source, map[string]grade{}
	if c.format != "" {
		c.file = file
		save := drayageCommand(t, slices.Concat([]string{"save", c.source, "--format", c.format, "-o", file, "-q"},
			c.flags)...)
		save.quiet = true
		save.run(t).ok(t)
	}
	raw, err := os.ReadFile(c.file)
	if err != nil {
		t.Fatal(err)
	}
	c.digest = digest.FromBytes(raw)
	c.look(t)
}

func inCorpus(t *testing.T, file string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(corpus.Dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCorpus lets every engine read every archive, and what drayage makes of it in both formats. What an
// engine takes has to have the image IDs, diff IDs and names that drayage sees. What drayage has saved must
// be taken whole, but for what is known of the engine.
func TestCorpus(t *testing.T) {
	requireRoot(t)
	requireDocker(t)
	archives := corpusArchives(t)
	programs := engines(t)
	t.Run("engines", func(t *testing.T) {
		for _, e := range programs {
			t.Run(e.name, func(t *testing.T) {
				t.Parallel()
				for _, c := range archives {
					e.try(t, c)
				}
			})
		}
	})
	t.Log("\n" + matrix(archives, programs))
	checkTable(t, archives, programs)
}

// try lets the engine read an archive and compares what it then has.
func (e engine) try(t *testing.T, c *carried) {
	t.Helper()
	got, err := e.load(t, c.file, c.names())
	for _, l := range got {
		if err == nil && !slices.ContainsFunc(c.images, func(want loaded) bool {
			return same(l, want, c.format == "")
		}) {
			t.Errorf("%s: %s has\n      %v\ndrayage sees\n      %v", c, e.name, l, c.images)
		}
	}
	g := all
	switch {
	case err != nil:
		g = refused
	case len(got) == 0:
		g = none
	case len(got) < len(c.images):
		g = some
	}
	grades.Lock()
	c.grade[e.name] = g
	grades.Unlock()
	if c.format != "" && !c.inTable && g != e.expect(c) {
		t.Errorf("%s: %s takes it: %s, expected: %s: %v\n      %v", c, e.name, g, e.expect(c), err, got)
	}
}

// grades keeps engines apart that enter how they took an archive.
var grades sync.Mutex

// same compares what an engine has with what drayage sees. In archives of others podman calls short names
// localhost/NAME and makes names of tags alone.
func same(got, want loaded, foreign bool) bool {
	if got.id != want.id || !slices.Equal(got.diffIDs, want.diffIDs) {
		return false
	}
	name := got.name
	if foreign {
		name = strings.Replace(name, "localhost/", hub, 1)
	}
	return name == want.name || name == unknown || want.name == "" && (foreign || want.tag != "")
}

// expect is what an engine makes of an archive that drayage saved: it takes all of it, but for what is known
// of the engine.
func (e engine) expect(c *carried) grade {
	several := len(c.images) > 1
	switch {
	case e.name == docker20 && c.format == "oci" && c.zstd:
		return refused // it learnt zstd in 23.0
	case e.name == skopeoOCI && c.format == "docker":
		return refused
	case e.name == containerd16 && c.format == "oci" && c.tagged() == len(c.images):
		return all // it makes a name of the date and the tag
	case e.name == containerd16 && c.nameless() == len(c.images):
		return none // it keeps images under names
	case (e.name == containerd16 || e.name == skopeoOCI && several) && c.nameless() > 0:
		return some
	case e.name == skopeoOCI && len(distinctTags(c.names())) < len(c.names()):
		return some // it knows tags alone
	}
	return all
}

// matrix shows who read what.
func matrix(archives []*carried, programs []engine) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-44s", "")
	for _, e := range programs {
		fmt.Fprintf(&b, " %-22s", e.name)
	}
	for _, c := range archives {
		fmt.Fprintf(&b, "\n%-44s", c)
		for _, e := range programs {
			fmt.Fprintf(&b, " %-22s", c.grade[e.name])
		}
	}
	return b.String()
}
