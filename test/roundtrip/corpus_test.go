package roundtrip

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/corpus"
	"drayage/test/registry3"
	"drayage/test/wire"
)

// TestCorpus takes every archive of the corpus through all that drayage does with archives, and compares with
// what the tool that wrote it says is in it.
func TestCorpus(t *testing.T) {
	known, err := corpus.Read(corpus.Dir)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs(corpus.Dir)
	if err != nil {
		t.Fatal(err)
	}
	private := startSite(t, registry3.Options{})
	for _, a := range known {
		t.Run(a.File, func(t *testing.T) {
			t.Parallel()
			c, source := newCLI(t), filepath.Join(dir, a.File)
			c.checkRead(t, source, a.Images)
			for i := range a.Images {
				c.checkPush(t, source, a, i, private)
			}
			c.checkSave(t, source, a)
			c.checkStdin(t, source, a, private)
		})
	}
}

// checkRead compares what inspect shows of a source with what it has to be, and lets verify read all of it.
func (c *cli) checkRead(t *testing.T, source string, want []corpus.Image) {
	t.Helper()
	var doc struct {
		Images []struct {
			Names     []string
			Digest    digest.Digest
			Platforms []struct {
				Platform string
				Missing  bool
				ImageID  digest.Digest
				Layers   []struct{ DiffID digest.Digest }
			}
		}
	}
	if err := json.Unmarshal([]byte(c.must(t, "inspect", "--json", "-q", source).stdout), &doc); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, im := range doc.Images {
		seen := corpus.Image{Names: im.Names}
		for _, p := range im.Platforms {
			if p.Missing {
				continue
			}
			add := corpus.Platform{Platform: p.Platform, ID: p.ImageID}
			for _, l := range p.Layers {
				add.DiffIDs = append(add.DiffIDs, l.DiffID)
			}
			seen.Platforms = append(seen.Platforms, add)
		}
		got = append(got, lines(seen)...)
	}
	var expected []string
	for _, im := range want {
		expected = append(expected, lines(im)...)
	}
	slices.Sort(got)
	slices.Sort(expected)
	if !slices.Equal(got, expected) {
		t.Errorf("inspect %s\n got: %s\nwant: %s", filepath.Base(source), strings.Join(got, "\n      "),
			strings.Join(expected, "\n      "))
	}
	c.must(t, "verify", source)
}

// lines says what is under each name of an image on each platform.
func lines(im corpus.Image) (all []string) {
	names := im.Names
	if len(names) == 0 {
		names = []string{"nameless"}
	}
	for _, name := range names {
		for _, p := range im.Platforms {
			all = append(all, fmt.Sprintf("%s %s %s %v", name, p.Platform, p.ID, p.DiffIDs))
		}
	}
	return all
}

// checkPush pushes an image of an archive under one name, as users do, and reads it back from the registry.
func (c *cli) checkPush(t *testing.T, source string, a corpus.Archive, i int, private *site) {
	t.Helper()
	im := a.Images[i]
	repository := fmt.Sprintf("%s/%d", strings.ReplaceAll(strings.ToLower(a.File), ".", "-"), i)
	if len(a.Images) > 1 || len(im.Names) > 1 {
		name := im.Platforms[0].ID.String()
		if len(im.Names) > 0 {
			name = im.Names[0]
		}
		source = "docker-archive:" + source + ":" + name
	}
	r := c.must(t, "push", source, private.Addr()+"/"+repository+":1")
	if im.Digest != "" {
		if line := private.Addr() + "/" + repository + "@" + im.Digest.String() + "\n"; r.stdout != line {
			t.Errorf("push prints %q, want %q", r.stdout, line)
		}
	}
	checkPushed(t, private.repo(repository), im)
}

// checkPushed compares what a registry has with an image of an archive: the configurations' digests, what the
// layers unpack to, and the digest of the manifest or index where that was in the archive.
func checkPushed(t *testing.T, repo *wire.Repository, want corpus.Image) {
	t.Helper()
	root, err := repo.Manifest(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	if want.Digest != "" && root.Digest != want.Digest {
		t.Errorf("%s has the digest %s, want %s", repo.Name, root.Digest, want.Digest)
	}
	refs := []string{"1"}
	if len(want.Platforms) > 1 {
		refs = children(t, root.Raw)
	}
	if len(refs) != len(want.Platforms) {
		t.Fatalf("%s has %d platforms, want %d", repo.Name, len(refs), len(want.Platforms))
	}
	for i, ref := range refs {
		checkServedIdentity(t, repo, ref, identity{want.Platforms[i].ID, want.Platforms[i].DiffIDs})
	}
}

// children are the digests of the images in an index.
func children(t *testing.T, raw []byte) (refs []string) {
	t.Helper()
	var index v1.Index
	if err := json.Unmarshal(raw, &index); err != nil {
		t.Fatal(err)
	}
	for _, d := range index.Manifests {
		if d.Platform == nil || d.Platform.Architecture != "unknown" {
			refs = append(refs, d.Digest.String())
		}
	}
	return refs
}

// checkSave writes both formats of an archive, twice each, and reads them again.
func (c *cli) checkSave(t *testing.T, source string, a corpus.Archive) {
	t.Helper()
	for _, format := range []string{"docker", "oci"} {
		flags, want := platformsOf(a, format), a.Images
		if format == "docker" {
			want = onePlatform(a.Images)
		}
		first, second := format+".tar", format+"-again.tar"
		c.must(t, slices.Concat([]string{"save", source, "--format", format, "-o", first}, flags)...)
		c.must(t, slices.Concat([]string{"save", source, "--format", format, "-o", second}, flags)...)
		checkSameFile(t, c.path(first), c.path(second))
		c.checkRead(t, c.path(first), want)
		again := []string{"save", first, "--format", format, "-o", "copy.tar"}
		if format == "oci" {
			again = append(again, flags...)
		}
		c.must(t, again...)
		c.checkRead(t, c.path("copy.tar"), want)
	}
	checkTar(t, c.path("docker.tar"), onePlatform(a.Images))
}

// checkStdin gives the archive to each command through a pipe, which cannot be read twice. What comes out
// must be no different.
func (c *cli) checkStdin(t *testing.T, source string, a corpus.Archive, private *site) {
	t.Helper()
	raw := readFile(t, source)
	piped := func(args ...string) result {
		t.Helper()
		c.stdin = bytes.NewReader(raw)
		return c.must(t, args...)
	}
	for _, verb := range []string{"verify", "inspect"} {
		c.stdin = bytes.NewReader(raw)
		got, want := c.run(t, verb, "-", "-q", "--json"), c.run(t, verb, source, "-q", "--json")
		switch {
		case verb == "inspect" && strings.Contains(a.Quirk, "sparse"):
			if !strings.Contains(got.stderr, "give the archive as a file") {
				t.Errorf("of sparse files in a stream: %s", got)
			}
		case got.stdout != strings.ReplaceAll(want.stdout, source, "-") || got.code != want.code:
			t.Errorf("of the file: %s\nbut of standard input: %s", want, got)
		}
	}
	for _, format := range []string{"docker", "oci"} {
		args := append([]string{"save", "-", "--format", format, "-o", "piped.tar"}, platformsOf(a, format)...)
		piped(args...)
		checkSameFile(t, c.path("piped.tar"), c.path(format+".tar"))
	}
	if im := a.Images[0]; len(a.Images) == 1 && len(im.Names) < 2 {
		repository := "piped/" + strings.ReplaceAll(strings.ToLower(a.File), ".", "-")
		r := piped("push", "-", private.Addr()+"/"+repository+":1")
		if want := c.must(t, "push", source, private.Addr()+"/"+repository+":1").stdout; r.stdout != want {
			t.Errorf("push - prints %q, of the file %q", r.stdout, want)
		}
		checkPushed(t, private.repo(repository), im)
	}
}

// platformsOf are the flags of save for an archive with several platforms.
func platformsOf(a corpus.Archive, format string) []string {
	switch {
	case !slices.ContainsFunc(a.Images, func(im corpus.Image) bool { return len(im.Platforms) > 1 }):
		return nil
	case format == "oci":
		return []string{"--platform", "all"}
	}
	return []string{"--platform", "linux/amd64"}
}

// onePlatform leaves only the first platform of each image.
func onePlatform(images []corpus.Image) []corpus.Image {
	images = slices.Clone(images)
	for i := range images {
		images[i].Platforms = images[i].Platforms[:1]
	}
	return images
}

// checkTar compares what stands in a docker tar, read as docker load does, with what has to be there.
func checkTar(t *testing.T, name string, want []corpus.Image) {
	t.Helper()
	var got, expected []string
	for _, im := range readTar(t, name) {
		got = append(got, fmt.Sprint(slices.Sorted(slices.Values(im.tags)), im.id, im.diffIDs))
	}
	for _, im := range want {
		expected = append(expected, fmt.Sprint(im.Names, im.Platforms[0].ID, im.Platforms[0].DiffIDs))
	}
	slices.Sort(got)
	slices.Sort(expected)
	if !slices.Equal(got, expected) {
		t.Errorf("%s\n got: %s\nwant: %s", filepath.Base(name), strings.Join(got, "\n      "),
			strings.Join(expected, "\n      "))
	}
}

// TestStoredLayersKeepTheirDigests pushes docker tars whose layers are compressed, or in part: the registry
// gets these as they are.
func TestStoredLayersKeepTheirDigests(t *testing.T) {
	private := startSite(t, registry3.Options{})
	for _, file := range []string{"crane.tar", "kaniko.tar", "jib-docker.tar", "rules-oci.tar",
		"rules-oci-1.tar"} {
		t.Run(file, func(t *testing.T) {
			source := filepath.Join(corpus.Dir, file)
			stored := storedLayers(t, source)
			c, repository := newCLI(t), strings.TrimSuffix(file, ".tar")
			absolute, err := filepath.Abs(source)
			if err != nil {
				t.Fatal(err)
			}
			c.must(t, "push", "docker-archive:"+absolute+":"+stored.names[0], private.Addr()+"/"+repository+":1")
			served, err := private.repo(repository).Manifest(t.Context(), "1")
			if err != nil {
				t.Fatal(err)
			}
			var m v1.Manifest
			if err := json.Unmarshal(served.Raw, &m); err != nil {
				t.Fatal(err)
			}
			compressed := 0
			for i, l := range stored.layers {
				if !l.compressed {
					continue
				}
				compressed++
				if m.Layers[i].Digest != l.digest {
					t.Errorf("layer %d is %s in the registry, %s in the tar", i, m.Layers[i].Digest, l.digest)
				}
			}
			if compressed == 0 {
				t.Error("the tar has no compressed layer")
			}
		})
	}
}

// stored are the layers of the first image of a docker tar as they stand there.
type stored struct {
	names  []string
	layers []storedLayer
}

type storedLayer struct {
	digest     digest.Digest
	compressed bool
}

func storedLayers(t *testing.T, file string) stored {
	t.Helper()
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(readFile(t, file))); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	var items []struct{ RepoTags, Layers []string }
	if err := json.Unmarshal(files["manifest.json"], &items); err != nil {
		t.Fatal(err)
	}
	s := stored{names: items[0].RepoTags}
	for _, name := range items[0].Layers {
		raw := files[name]
		isTar := len(raw) > 262 && string(raw[257:262]) == "ustar"
		s.layers = append(s.layers, storedLayer{digest.FromBytes(raw), !isTar})
	}
	return s
}
