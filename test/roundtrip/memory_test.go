//go:build linux

package roundtrip

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/test/registry3"
	"drayage/test/reliability"
	"drayage/test/sample"
)

const (
	defaultBig = 64 << 20  // bytes of the layer's tar, for make test
	peakLimit  = 100 << 20 // bytes of resident memory, whatever the layer's size
)

// update enters the figures, which are worth something with layers of gigabytes only.
var update = flag.Bool("update", false, "enter the peak memory into the results for docs/reliability.md")

// bigSizes are the sizes of the layers to try, in bytes.
func bigSizes(t *testing.T) (all []int64) {
	t.Helper()
	text := os.Getenv("DRAYAGE_BIG_BYTES")
	if text == "" {
		return []int64{defaultBig}
	}
	for _, one := range strings.Split(text, ",") {
		n, err := strconv.ParseInt(one, 10, 64)
		if err != nil || n <= 0 {
			t.Fatalf("DRAYAGE_BIG_BYTES is %q, want numbers of bytes with commas between them", text)
		}
		all = append(all, n)
	}
	return all
}

// peaks are the rows of the table: a command and its peak for each size.
type peaks struct {
	head []string
	rows [][]string
}

// Memory must not grow with the layer. The ways of a layer through drayage are all here: in from a registry
// to a layout and to a tar, from a layout to a tar, from registry to registry, out to a registry from a
// layout, from a tar, and from a pipe.
func TestPeakMemory(t *testing.T) {
	table := peaks{head: []string{"command"}}
	for _, size := range bigSizes(t) {
		name := fmt.Sprintf("a layer of %.1f GB", float64(size)/1e9)
		table.head = append(table.head, name)
		t.Run(name, func(t *testing.T) { table.measure(t, size) })
	}
	if *update && !t.Failed() {
		s := reliability.Section{
			Title: "Peak memory", Date: time.Now().UTC().Format(time.DateOnly),
			Source: "DRAYAGE_BIG_BYTES=2000000000,10000000000 go test ./roundtrip -run PeakMemory -timeout 1h -update",
			Text: "The table shows the most resident memory of each command, with its default settings. The layer " +
				"is one file of a tar, and compressed it has a quarter of its size.",
			Head: table.head, Rows: table.rows,
		}
		if err := s.Save(filepath.Join("..", "reliability", "testdata"), "60-memory"); err != nil {
			t.Error(err)
		}
	}
}

// measure runs every command with a layer of so many bytes, and checks what comes of it.
func (p *peaks) measure(t *testing.T, size int64) {
	dir := t.TempDir()
	big, err := sample.BuildBig(t.Context(), dir, size)
	if err != nil {
		t.Fatal(err)
	}
	connected := startSite(t, registry3.Options{Dir: mkdir(t, dir, "connected")})
	if err := big.Seed(t.Context(), connected.repo("big"), "1"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(big.File); err != nil { // the registry has it
		t.Fatal(err)
	}
	private := startSite(t, registry3.Options{Dir: mkdir(t, dir, "private")})
	want := identity{id: digest.FromBytes(big.Config), diffIDs: []digest.Digest{big.DiffID}}
	source, dest := connected.Addr()+"/big:1", private.Addr()
	t.Logf("layer of %d MiB, %d MiB compressed", big.Unpacked>>20, big.Layer.Size>>20)
	c := newCLI(t)
	steps := []struct {
		name  string
		args  []string
		stdin string
		check func()
	}{
		{"fetch", []string{"fetch", source, "-o", "images"}, "", nil},
		{"save from a layout", []string{"save", "images", "-o", "image.tar"}, "", func() {
			checkBigTar(t, c, want)
		}},
		{"save from a registry", []string{"save", source, "-o", "image.tar"}, "", func() {
			checkBigTar(t, c, want)
		}},
		{"copy", []string{"copy", source, dest + "/copy:1"}, "", func() {
			checkBigServed(t, private, "copy", want)
		}},
		{"push of a layout", []string{"push", "images", dest + "/layout:1"}, "", func() {
			checkBigServed(t, private, "layout", want)
		}},
		{"push of a tar", []string{"push", "image.tar", dest + "/tar:1"}, "", func() {
			checkBigServed(t, private, "tar", want)
		}},
		{"push of a pipe", []string{"push", "-", dest + "/pipe:1", "--compression-level", "5"}, "image.tar",
			func() { checkBigServed(t, private, "pipe", want) }},
		{"inspect of a pipe", []string{"inspect", "-"}, "image.tar", nil},
	}
	for i, step := range steps {
		peak := c.peak(t, step.stdin, step.args...)
		t.Logf("%-22s peak %4d MiB", step.name, peak>>20)
		if peak > peakLimit {
			t.Errorf("%s: peak memory is %d MiB, the limit is %d MiB", step.name, peak>>20, peakLimit>>20)
		}
		if len(p.rows) == i {
			p.rows = append(p.rows, []string{step.name})
		}
		p.rows[i] = append(p.rows[i], fmt.Sprintf("%d MiB", peak>>20))
		if step.check != nil {
			step.check()
		}
	}
}

func mkdir(t *testing.T, parent, name string) string {
	t.Helper()
	dir := filepath.Join(parent, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func checkBigTar(t *testing.T, c *cli, want identity) {
	t.Helper()
	images := readTar(t, c.path("image.tar"))
	if len(images) != 1 || !images[0].equal(want) {
		t.Errorf("the tar holds %v, want %v", images, want)
	}
}

func checkBigServed(t *testing.T, s *site, name string, want identity) {
	t.Helper()
	checkServedIdentity(t, s.repo(name), "1", want)
}
