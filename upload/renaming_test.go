package upload_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"drayage/image"
	"drayage/internal/usage"
	"drayage/registry"
	"drayage/upload"
)

const rules = `# what stays where it is
alpine                      os/alpine        # all tags
docker.io/library/alpine:3.20 os/alpine:pinned
busybox:1                   os/busybox
ghcr.io/                    github/
ghcr.io/team/               /
ghcr.io/team/deep/	deep/er/
bitnami/                    registry.corp:5000/m/bitnami-old/
localhost:5000/x@sha256:` + someHex + ` x:kept
`

const someHex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func mapping(t testing.TB, text string) upload.Mapping {
	t.Helper()
	m, err := upload.ParseMapping(strings.NewReader(text), "map.txt")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// place is where an image goes, or the error.
func place(t *testing.T, r upload.Renaming, name string) string {
	t.Helper()
	d, err := upload.ParseDestination("registry.corp:5000/m/")
	if err != nil {
		t.Fatal(err)
	}
	if d, err = d.Rename(r); err != nil {
		return err.Error()
	}
	p := upload.NewPlacement(&registry.Client{}, d)
	im := &image.Image{Graph: &image.Graph{}}
	if err := p.Add(upload.Target{Image: im}, []string{name}, name); err != nil {
		return err.Error()
	}
	below, ok := strings.CutPrefix(p.Targets[0].Name(), "registry.corp:5000/m/")
	if !ok {
		t.Errorf("%s goes to %s", name, p.Targets[0].Name())
	}
	return below
}

func TestRenaming(t *testing.T) {
	all := mapping(t, rules)
	strip := func(p ...string) []string { return p }
	type re = upload.Renaming
	for name, c := range map[string]struct {
		by         re
		name, want string
	}{
		"nothing":                   {re{}, "alpine:3.20", "library/alpine:3.20"},
		"host":                      {re{KeepHost: true}, "alpine:3.20", "docker.io/library/alpine:3.20"},
		"host with a port":          {re{KeepHost: true}, "localhost:5000/a:1", "localhost-5000/a:1"},
		"strip":                     {re{Strip: strip("library/")}, "alpine:3.20", "alpine:3.20"},
		"strip without a slash":     {re{Strip: strip("/team")}, "ghcr.io/team/a/b:1", "a/b:1"},
		"strip is whole parts":      {re{Strip: strip("team")}, "ghcr.io/teams/a:1", "teams/a:1"},
		"strip leaves a name":       {re{Strip: strip("team/a")}, "ghcr.io/team/a:1", "team/a:1"},
		"strip another":             {re{Strip: strip("library/")}, "ghcr.io/team/a:1", "team/a:1"},
		"strip the longest":         {re{Strip: strip("a", "a/b", "a/b/x")}, "ghcr.io/a/b/c:1", "c:1"},
		"strip of a registry":       {re{Strip: strip("ghcr.io/team/")}, "ghcr.io/team/a:1", "a:1"},
		"strip of another registry": {re{Strip: strip("quay.io/team/")}, "ghcr.io/team/a:1", "team/a:1"},
		"strip a path like a host":  {re{Strip: strip("ghcr.io/")}, "quay.io/ghcr.io/a:1", "a:1"},
		"strip a registry alone":    {re{Strip: strip("ghcr.io/")}, "ghcr.io/team/a:1", "team/a:1"},
		"strip, keep the host": {re{Strip: strip("library"), KeepHost: true},
			"alpine:1", "docker.io/alpine:1"},
		"flatten":                {re{Flatten: true}, "ghcr.io/a/b/c:1", "c:1"},
		"flatten, keep the host": {re{Flatten: true, KeepHost: true}, "ghcr.io/a/b/c:1", "ghcr.io/c:1"},
		"flatten by digest":      {re{Flatten: true}, "ghcr.io/a/b@sha256:" + someHex, "b"},
		"flatten and strip": {re{Flatten: true, Strip: strip("a")},
			"a:1", "a flattened path has no prefix left that could be stripped: choose one of both"},
		"a prefix that is none": {re{Strip: strip("A b")},
			"a:1", `the prefix "A b" cannot be stripped: it is not the beginning of a repository's path`},
		"mapped repository":          {re{Mapping: all}, "alpine:3.19", "os/alpine:3.19"},
		"mapped image":               {re{Mapping: all}, "alpine:3.20", "os/alpine:pinned"},
		"mapped image keeps its tag": {re{Mapping: all}, "busybox:1", "os/busybox:1"},
		"another tag is not mapped":  {re{Mapping: all}, "busybox:2", "library/busybox:2"},
		"mapped registry":            {re{Mapping: all}, "ghcr.io/o/p:1", "github/o/p:1"},
		"mapped longer prefix":       {re{Mapping: all}, "ghcr.io/team/p:1", "p:1"},
		"mapped longest prefix":      {re{Mapping: all}, "ghcr.io/team/deep/p:1", "deep/er/p:1"},
		"mapped with DEST before it": {re{Mapping: all}, "bitnami/redis:7", "bitnami-old/redis:7"},
		"mapped digest":              {re{Mapping: all}, "localhost:5000/x@sha256:" + someHex, "x:kept"},
		"another digest":             {re{Mapping: all}, "localhost:5000/x:1", "x:1"},
		"mapped by digest":           {re{Mapping: all}, "ghcr.io/team/p@sha256:" + someHex, "p"},
		"mapped, the host kept":      {re{Mapping: all, KeepHost: true}, "ghcr.io/team/p:1", "p:1"},
		"not mapped, the host kept":  {re{Mapping: all, KeepHost: true}, "quay.io/p:1", "quay.io/p:1"},
		"mapped, not flattened":      {re{Mapping: all, Flatten: true}, "ghcr.io/o/p:1", "github/o/p:1"},
		"not mapped, but flattened":  {re{Mapping: all, Flatten: true}, "quay.io/o/p:1", "p:1"},
		"not mapped, but stripped":   {re{Mapping: all, Strip: strip("o")}, "quay.io/o/p:1", "p:1"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := place(t, c.by, c.name); got != c.want {
				t.Errorf("%s goes to %q, want %q", c.name, got, c.want)
			}
		})
	}
}

// TestRenamingMakesOne has the ways in which two names become one.
func TestRenamingMakesOne(t *testing.T) {
	for name, r := range map[string]upload.Renaming{
		"flatten": {Flatten: true},
		"strip":   {Strip: []string{"a", "b"}},
		"mapping": {Mapping: mapping(t, "quay.io/a/x  one\nquay.io/b/x  one")},
		"prefix":  {Mapping: mapping(t, "quay.io/a/  one/\nquay.io/b/  one/")},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := upload.ParseDestination("registry.corp/")
			d, err := d.Rename(r)
			if err != nil {
				t.Fatal(err)
			}
			p := upload.NewPlacement(&registry.Client{}, d)
			add := func(name, content string) error {
				im := &image.Image{Graph: &image.Graph{Root: image.Describe("", []byte(content))}}
				return p.Add(upload.Target{Image: im}, []string{name}, name)
			}
			if err := add("quay.io/a/x:1", "one"); err != nil {
				t.Fatal(err)
			}
			if err := add("quay.io/b/x:1", "one"); err != nil || len(p.Targets) != 1 {
				t.Errorf("the same image: %v, %d targets", err, len(p.Targets))
			}
			var both *upload.CollisionError
			if err := add("quay.io/b/x:1", "another"); !errors.As(err, &both) ||
				both.First != "quay.io/a/x:1" || both.Second != "quay.io/b/x:1" {
				t.Errorf("another image: %v", err)
			}
		})
	}
}

func TestRenameNeedsPrefix(t *testing.T) {
	d, _ := upload.ParseDestination("registry.corp/app:1")
	if _, err := d.Rename(upload.Renaming{}); !errors.As(err, new(*usage.Error)) {
		t.Errorf("%v", err)
	}
}

// TestMappingNamesEveryBadLine wants all lines that make no sense in one error.
func TestMappingNamesEveryBadLine(t *testing.T) {
	_, err := upload.ParseMapping(strings.NewReader("alpine\n"+
		"alpine a b\n\n# fine\nBig x\nalpine X\nalpine os/alpine:1\nghcr.io/ github\nalpine a@sha256:"+someHex+"\n"+
		"a/ B/\nbusybox x\ndocker.io/library/busybox y\n//x/ y/\n"), "map.txt")
	if !errors.As(err, new(*usage.Error)) {
		t.Fatalf("%v", err)
	}
	for i, want := range []string{
		`map.txt:1: "alpine": a rule is FROM and TO, with a space between them`,
		`map.txt:2: "alpine a b": a rule is FROM and TO`,
		`map.txt:5: invalid image reference "Big"`,
		`map.txt:6: "X" is no name of an image below DEST`,
		`map.txt:7: "os/alpine:1" gives all tags of "alpine" one tag`,
		`map.txt:8: "ghcr.io/" is a prefix and "github" is none`,
		`map.txt:9: "a@sha256:` + someHex + `" has a digest`,
		`map.txt:10: "B/x/x" is no name of an image below DEST`,
		`map.txt:12: docker.io/library/busybox has a rule on line 11 already`,
		`map.txt:13: "//x/" is not the beginning of a name`,
	} {
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != 10 || !strings.HasPrefix(lines[i], want) {
			t.Errorf("%d lines, line %d is not %s:\n%v", len(lines), i, want, err)
		}
	}
	if _, err := upload.ParseMapping(strings.NewReader("# nothing\n"), "m"); err == nil {
		t.Error("a mapping without rules is taken")
	}
}

// TestMappingOfBadLines wants a short error about a file that is no mapping.
func TestMappingOfBadLines(t *testing.T) {
	_, err := upload.ParseMapping(strings.NewReader(strings.Repeat("x\n", 5000)), "m")
	if lines := strings.Split(fmt.Sprint(err), "\n"); len(lines) != 21 || lines[20] != "and 4980 more lines" {
		t.Errorf("%d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
}

// TestUnfit wants the rules that no image fits: one with a forgotten registry is for Docker Hub.
func TestUnfit(t *testing.T) {
	m, err := upload.ParseMapping(strings.NewReader("team/ apps/\nghcr.io/team/ apps/\n\nghcr.io/team/app x\n"+
		"ghcr.io/team/app:1 y\nalpine os\n"), "map.txt")
	if err != nil {
		t.Fatal(err)
	}
	d, _ := upload.ParseDestination("registry.corp/m/")
	if d, err = d.Rename(upload.Renaming{Mapping: m}); err != nil {
		t.Fatal(err)
	}
	var images []registry.Reference
	for _, n := range []string{"ghcr.io/team/web:1", "ghcr.io/team/app:1", "docker.io/library/alpine:3"} {
		ref, err := registry.ParseReference(n)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, ref)
	}
	got := d.Unfit(images)
	want := []string{"map.txt:1 docker.io/team/", "map.txt:4 ghcr.io/team/app"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	d, _ = upload.ParseDestination("registry.corp/m/")
	if got := d.Unfit(images); got != nil {
		t.Errorf("without a mapping: %q", got)
	}
}

// FuzzMapping checks that whatever a mapping says, a name goes below the destination or nowhere.
func FuzzMapping(f *testing.F) {
	f.Add(rules, "alpine:3.20")
	f.Add("a/ /\n", "a/b:1")
	f.Add("a ../b\n", "a")
	f.Add("\xff\xfea\x00 \x00b\x00", "a")
	f.Fuzz(func(t *testing.T, text, name string) {
		m, err := upload.ParseMapping(strings.NewReader(text), "map.txt")
		if err != nil {
			return
		}
		d, _ := upload.ParseDestination("registry.corp/m/")
		if d, err = d.Rename(upload.Renaming{Mapping: m}); err != nil {
			t.Fatal(err)
		}
		p := upload.NewPlacement(&registry.Client{}, d)
		im := &image.Image{Graph: &image.Graph{Root: image.Describe("", nil)}}
		if p.Add(upload.Target{Image: im}, []string{name}, name) != nil {
			return
		}
		place := p.Targets[0].Name()
		if _, err := registry.ParseReference(place); err != nil || !strings.HasPrefix(place, "registry.corp/m/") {
			t.Fatalf("%q goes to %q", name, place)
		}
	})
}
