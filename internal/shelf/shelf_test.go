package shelf_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/imagetest"
	"drayage/internal/shelf"
	"drayage/internal/source"
	"drayage/registry"
	"drayage/serve"
	"drayage/upload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// archive makes an archive of an image with layers by their letters.
func archive(t *testing.T, format dockerarchive.Format, name, letters string) []byte {
	t.Helper()
	s := imagetest.NewStore()
	one := imagetest.Image{Labels: map[string]string{"of": letters}}
	for _, l := range letters {
		one.Layers = append(one.Layers, imagetest.GzipLayer(bytes.Repeat([]byte(string(l)), 2000)))
	}
	im, err := image.Open(t.Context(), s, one.Put(s.Put), image.Selection{All: true})
	if err != nil {
		t.Fatal(err)
	}
	im.Names = []string{name}
	var b bytes.Buffer
	err = dockerarchive.Stream(t.Context(), &b, format, []*image.Image{im}, dockerarchive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// folder has an OCI tar, a docker tar and what is no archive.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "oci.tar"), archive(t, dockerarchive.OCI, "docker.io/library/oci:1", "ab"))
	write(t, filepath.Join(dir, "docker.tar"),
		archive(t, dockerarchive.Docker, "docker.io/library/docker:1", "bc"))
	write(t, filepath.Join(dir, "oci.tar.partial"), []byte("half"))
	write(t, filepath.Join(dir, "notes.txt"), []byte("text"))
	write(t, filepath.Join(dir, "later.tar"),
		archive(t, dockerarchive.OCI, "docker.io/library/later:1", "d")[:3000])
	return dir
}

func write(t *testing.T, path string, raw []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, raw, 0o644)); err != nil {
		t.Fatal(err)
	}
}

func parse(t *testing.T, text string) source.Spec {
	t.Helper()
	spec, err := source.Parse(text, registry.ParseReference)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func open(t *testing.T, o shelf.Options, texts ...string) *shelf.Shelves {
	t.Helper()
	var specs []source.Spec
	for _, text := range texts {
		specs = append(specs, parse(t, text))
	}
	o.Source.Note = func(string) {}
	s, err := shelf.Open(t.Context(), specs, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// tree is what is in a directory, with the times of all files.
func tree(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := e.Info()
		if err == nil {
			all = append(all, path+" "+fi.Mode().String()+" "+fi.ModTime().Format(time.RFC3339Nano))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// all reads every blob of every image by the catalog.
func all(t *testing.T, c *serve.Catalog) (names []string) {
	t.Helper()
	for _, r := range c.Repositories() {
		for _, tag := range r.Tags {
			names = append(names, r.Name+":"+tag.Name)
			im, err := image.Open(t.Context(), c, tag.Root, image.Selection{All: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range im.Blobs {
				if found, err := c.Stat(d.Digest); err != nil || found.Size != d.Size {
					t.Errorf("%v: %v", d, err)
				}
				r := image.NewReader(t.Context(), c, d)
				if _, err := io.Copy(io.Discard, r); err != nil {
					t.Error(err)
				}
				r.Close()
			}
		}
	}
	return names
}

func TestFolderIsServedAsItLies(t *testing.T) {
	dir := folder(t)
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o755)
	before := tree(t, dir)
	s := open(t, shelf.Options{}, dir)
	want := []string{"docker.io/library/docker:1", "docker.io/library/oci:1"}
	if got := all(t, serve.NewCatalog(s.Shelves)); !slices.Equal(got, want) || !slices.Equal(s.Names, want) {
		t.Errorf("%v, %v", got, s.Names)
	}
	if len(s.Left) != 1 || !strings.HasSuffix(s.Left[0].Path, "later.tar") || s.Images != 2 || s.Sources != 2 {
		t.Errorf("%+v: %d images of %d sources", s.Left, s.Images, s.Sources)
	}
	if now := tree(t, dir); !slices.Equal(now, before) {
		t.Errorf("it was\n%s\nand is\n%s", strings.Join(before, "\n"), strings.Join(now, "\n"))
	}
}

func TestManifestsOfDockerTarsAreTheSameAtEveryStart(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "docker.tar")
	a, b := open(t, shelf.Options{}, path), open(t, shelf.Options{}, path)
	root := a.Shelves[0].Images[0].Root
	if root.Digest == "" || b.Shelves[0].Images[0].Root.Digest != root.Digest {
		t.Errorf("%v, %v", root, b.Shelves[0].Images[0].Root)
	}
	if got := a.Shelves[0].Repository; got != "docker" {
		t.Errorf("repository %q", got)
	}
}

// A layer of a terabyte costs nothing until somebody asks for it.
func TestNoLayerIsReadAtStart(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "large.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	config := []byte(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["` +
		digest.FromString("never read").String() + `"]}}`)
	whole := imagetest.Pack(imagetest.Entries(imagetest.Saved{Config: config, Names: []string{"large:1"},
		Layers: [][]byte{nil}})...)
	// The size of the empty layer in its header becomes a terabyte, which is a hole in the file.
	const size = 1 << 40
	head := slices.Clone(whole[:512])
	copy(head[124:136], append([]byte{0x80, 0, 0, 0, 0, 0}, 1, 0, 0, 0, 0, 0))
	sum := 0
	copy(head[148:156], "        ")
	for _, c := range head {
		sum += int(c)
	}
	copy(head[148:156], []byte(octal(sum)))
	if _, err := f.Write(head); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(whole[512:], 512+size); err != nil {
		t.Skipf("this file system has no such files: %v", err)
	}
	s := open(t, shelf.Options{}, path) // reading it would take an hour
	d, err := s.Shelves[0].Content.Stat(digest.FromString("never read"))
	if err != nil || d.Size != size {
		t.Errorf("%v: %v", d, err)
	}
}

func octal(n int) string {
	text := ""
	for range 6 {
		text = string(rune('0'+n%8)) + text
		n /= 8
	}
	return text + "\x00 "
}

// A request that has begun keeps what it began with, and what nobody uses any more is closed.
func TestReload(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "oci.tar")
	s := open(t, shelf.Options{}, path)
	reg := serve.New(serve.NewCatalog(s.Shelves), serve.Options{})
	changed, failed := make(chan *shelf.Shelves, 1), make(chan error, 1)
	k := &shelf.Keeper{Specs: []source.Spec{parse(t, path)}, Registry: reg,
		Changed: func(_, now *shelf.Shelves) { changed <- now }, Failed: func(err error) { failed <- err }}
	hangUps := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		k.Run(ctx, s, hangUps, false)
	}()
	old, release := reg.Hold()
	replace(t, path, archive(t, dockerarchive.OCI, "docker.io/library/new:1", "x"))
	hangUps <- struct{}{}
	<-changed
	if got := all(t, old); !slices.Equal(got, []string{"docker.io/library/oci:1"}) {
		t.Errorf("the old one has %v", got)
	}
	now, releaseNow := reg.Hold()
	if got := all(t, now); !slices.Equal(got, []string{"docker.io/library/new:1"}) {
		t.Errorf("the new one has %v", got)
	}
	release()
	releaseNow()
	replace(t, path, []byte("no archive"))
	hangUps <- struct{}{}
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "oci.tar") {
		t.Error(err)
	}
	now, release = reg.Hold()
	if got := all(t, now); !slices.Equal(got, []string{"docker.io/library/new:1"}) {
		t.Errorf("behind a failure it has %v", got)
	}
	release()
	stop()
	<-ended
	k.Close()
}

func replace(t *testing.T, path string, raw []byte) {
	t.Helper()
	write(t, path+".partial", raw)
	if err := os.Rename(path+".partial", path); err != nil {
		t.Fatal(err)
	}
}

// What a killed run has left of a compressed layer is not taken for one, and goes some day.
func TestPackingAfterAKill(t *testing.T) {
	dir := folder(t)
	cache := filepath.Join(t.TempDir(), "cache")
	made := 0
	p := &shelf.Packing{Compression: upload.Compression{}, Dir: cache,
		Note: func(digest.Digest, int64) { made++ }}
	path := filepath.Join(dir, "docker.tar")
	first := open(t, shelf.Options{Packed: p}, path)
	root := first.Shelves[0].Images[0].Root
	if got := all(t, serve.NewCatalog(first.Shelves)); len(got) != 1 || made != 2 {
		t.Errorf("%v: %d layers were compressed", got, made)
	}
	blobs, err := filepath.Glob(filepath.Join(cache, "*.blob"))
	if err != nil || len(blobs) != 2 {
		t.Fatalf("%v: %v", blobs, err)
	}
	if err := os.Truncate(blobs[0], 10); err != nil {
		t.Fatal(err)
	}
	left := blobs[1] + ".tmp.ABC"
	write(t, left, []byte("half"))
	again := open(t, shelf.Options{Packed: p}, path)
	if got := again.Shelves[0].Images[0].Root; got.Digest != root.Digest || made != 3 {
		t.Errorf("%v and not %v, %d layers were compressed", got, root, made)
	}
	p.Tidy(time.Now())
	if _, err := os.Stat(left); err != nil {
		t.Error("another process may be writing it: ", err)
	}
	p = &shelf.Packing{Dir: cache}
	p.Tidy(time.Now().Add(31 * 24 * time.Hour))
	if names := tree(t, cache); len(names) != 1 {
		t.Errorf("left: %v", names)
	}
}
