package farside_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/internal/farside"
	"drayage/internal/imagetest"
	"drayage/internal/source"
	"drayage/internal/usage"
	"drayage/internal/want"
	"drayage/registry"
)

// places has one place of each kind in a directory, and the registry at an address. Each has the layers a and
// b: an inventory, an OCI tar, the same compressed, a docker tar, a layout.
func places(t *testing.T) (dir, address string) {
	t.Helper()
	dir = t.TempDir()
	write := func(name string, raw []byte) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, raw, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	s := newStore()
	im := s.image(t, "ab")
	im.Names = []string{"docker.io/library/old:1"}
	for name, format := range map[string]dockerarchive.Format{
		"old.tar": dockerarchive.OCI, "docker.tar": dockerarchive.Docker,
	} {
		var b bytes.Buffer
		err := dockerarchive.Stream(t.Context(), &b, format, []*image.Image{im}, dockerarchive.Options{})
		if err != nil {
			t.Fatal(err)
		}
		write(name, b.Bytes())
		if format == dockerarchive.OCI {
			write("old.tar.gz", imagetest.Gzip(b.Bytes()))
		}
	}
	var blobs []string
	reg := fakeregistry.New()
	for _, l := range []string{"a", "b"} {
		blobs = append(blobs, fmt.Sprintf(`{"digest":%q,"size":%d}`, blob(l), len(layer(l).Content)))
		write("layout/blobs/sha256/"+blob(l).Encoded(), layer(l).Content)
		reg.PutBlob("app", layer(l).Content)
	}
	write("layout/oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	write("layout/index.json", []byte(`{"schemaVersion":2,"manifests":[]}`))
	write("far.inv", []byte(`{"mediaType":"application/vnd.drayage.inventory.v1+json","blobs":[`+
		strings.Join(sorted(blobs), ",")+`]}`))
	server := httptest.NewServer(reg)
	t.Cleanup(server.Close)
	return dir, strings.TrimPrefix(server.URL, "http://") + "/app"
}

func sorted(all []string) []string {
	if all[0] > all[1] {
		all[0], all[1] = all[1], all[0]
	}
	return all
}

func parse(t *testing.T, text string) source.Spec {
	t.Helper()
	spec, err := source.Parse(text, registry.ParseReference)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func options(t *testing.T) source.Options {
	client := &registry.Client{}
	t.Cleanup(client.Close)
	return source.Options{
		TempDir: t.TempDir(), Note: func(string) {}, Why: "a test reads it",
		Client: func(registry.Reference) (*registry.Client, error) { return client, nil },
	}
}

func TestOpen(t *testing.T) {
	dir, address := places(t)
	names := []string{"far.inv", "old.tar", "old.tar.gz", "docker.tar", "layout", "oci:layout", address}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			if name != address {
				kind, path, prefixed := strings.Cut(name, ":")
				if name = filepath.Join(dir, name); prefixed {
					name = kind + ":" + filepath.Join(dir, path)
				}
			}
			sides, closes, err := farside.Open(t.Context(), parse(t, name), options(t))
			defer closes()
			if err != nil {
				t.Fatal(err)
			}
			im := newStore().image(t, "abc")
			if _, err := farside.LeaveOut(t.Context(), []*image.Image{im}, sides); err != nil {
				t.Fatal(err)
			}
			if got := absent(im, "abc"); got != "ab" {
				t.Errorf("left out: %q", got)
			}
		})
	}
}

func TestOpenStandardInput(t *testing.T) {
	dir, _ := places(t)
	f, err := os.Open(filepath.Join(dir, "far.inv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	opts := options(t)
	opts.Stdin = f
	sides, closes, err := farside.Open(t.Context(), source.Spec{Text: "-", Kind: source.Stdin}, opts)
	closes()
	if err != nil || len(sides) != 1 {
		t.Fatal(sides, err)
	}
	if _, _, err := farside.Open(t.Context(), source.Spec{Text: "-", Kind: source.Stdin}, opts); err == nil ||
		!strings.HasPrefix(err.Error(), "standard input: ") {
		t.Errorf("an empty inventory: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir, _ := places(t)
	for name, text := range map[string]string{
		"broken.inv": `{"mediaType":"application/vnd.drayage.inventory.v1+json","blobs":[{"digest":"sha256:1"}]}`,
		"text.tar":   "hello",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		for how, open := range map[string]func() (func(), error){
			"side": func() (func(), error) {
				_, closes, err := farside.Open(t.Context(), parse(t, path), options(t))
				return closes, err
			},
			"base": func() (func(), error) {
				_, closes, err := farside.OpenBase(t.Context(), parse(t, path), options(t))
				return closes, err
			},
		} {
			closes, err := open()
			closes()
			if err == nil {
				t.Errorf("%s is taken as a %s", name, how)
			}
		}
	}
	_, closes, err := farside.OpenBase(t.Context(), parse(t, filepath.Join(dir, "far.inv")), options(t))
	closes()
	if !errors.As(err, new(*usage.Error)) || !strings.Contains(err.Error(), "lists blobs and has none") {
		t.Errorf("an inventory as a base: %v", err)
	}
	_, closes, err = farside.Open(t.Context(), parse(t, "oci:"+filepath.Join(dir, "layout")+":x"), options(t))
	closes()
	if !errors.As(err, new(*usage.Error)) {
		t.Errorf("one image of a layout: %v", err)
	}
}

// fill looks for what was left out, until the test ends.
func fill(t *testing.T, images []*image.Image, bases []farside.Base) {
	t.Helper()
	src, err := farside.Fill(t.Context(), images, bases, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestFill(t *testing.T) {
	dir, address := places(t)
	for _, name := range []string{"old.tar", "old.tar.gz", "layout", address} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			if name != address {
				name = filepath.Join(dir, name)
			}
			bases, closes, err := farside.OpenBase(t.Context(), parse(t, name), options(t))
			defer closes()
			if err != nil {
				t.Fatal(err)
			}
			s := newStore()
			im := s.image(t, "abc")
			if _, err := leaveOut(t, knows{blobs: "abc"}, im); err != nil {
				t.Fatal(err)
			}
			for _, l := range "abc" {
				delete(s.Content, blob(string(l)))
			}
			fill(t, []*image.Image{im}, bases)
			if got := absent(im, "abc"); got != "c" {
				t.Errorf("%q is still left out", got)
			}
			for _, d := range im.Travelling() {
				if _, err := image.ReadAll(t.Context(), im.Source, d, 1<<20); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// A docker tar has uncompressed layers. An image that was made of one has such layers as blobs.
func TestFillFromADockerTar(t *testing.T) {
	dir, _ := places(t)
	bases, closes, err := farside.OpenBase(t.Context(), parse(t, filepath.Join(dir, "docker.tar")), options(t))
	defer closes()
	if err != nil {
		t.Fatal(err)
	}
	s := newStore()
	plain := imagetest.Image{Layers: []imagetest.Layer{imagetest.PlainLayer([]byte("layer a"))}}
	im := s.open(t, plain.Put(s.Put))
	d := digest.FromString("layer a")
	if _, err := leaveOut(t, farside.AllBut(nil), im); err != nil || len(im.Absent) != 1 {
		t.Fatal(err, im.Absent)
	}
	delete(s.Content, d)
	if fill(t, []*image.Image{im}, bases); len(im.Absent) != 0 {
		t.Fatal(im.Absent)
	}
	raw, err := image.ReadAll(t.Context(), im.Source, v1.Descriptor{Digest: d, Size: 7}, 100)
	if err != nil || string(raw) != "layer a" {
		t.Errorf("%q, %v", raw, err)
	}
}

// What was left out of one image may be inside with another.
func TestFillFromEachOther(t *testing.T) {
	s := newStore()
	whole, thin := s.image(t, "ab"), s.image(t, "ac")
	if _, err := leaveOut(t, knows{blobs: "ac"}, thin); err != nil {
		t.Fatal(err)
	}
	images := []*image.Image{thin, whole}
	fill(t, images, []farside.Base{farside.EachOther(images)})
	if got := absent(thin, "ac"); got != "c" {
		t.Errorf("%q is still left out", got)
	}
}

func TestAnswer(t *testing.T) {
	list := func(letters string) *want.List {
		l := &want.List{}
		for _, r := range letters {
			size := int64(len(layer(string(r)).Content))
			l.Blobs = append(l.Blobs, want.Blob{Digest: blob(string(r)), Size: size})
		}
		return l
	}
	s := newStore()
	images := func() []*image.Image {
		return []*image.Image{s.image(t, "ab"), s.image(t, "ac"), s.image(t, "xy")}
	}
	all := images()
	got, sum, missing, err := farside.Answer(t.Context(), all, list("c"), map[*image.Image]bool{all[2]: true})
	if err != nil || len(missing.Blobs) > 0 {
		t.Fatal(err, missing)
	}
	if len(got) != 2 || absent(got[0], "ac") != "a" || absent(got[1], "xy") != "xy" || sum.Travel.Blobs != 1 {
		t.Errorf("%d images, %+v", len(got), sum)
	}
	all = images()
	got, _, missing, err = farside.Answer(t.Context(), all, list("aq"), nil)
	if err != nil || len(missing.Blobs) != 1 || missing.Blobs[0].Digest != blob("q") || len(got) != 3 {
		t.Errorf("%v, %v", missing, err)
	}
	if len(all[0].Absent) > 0 {
		t.Error("something is left out although something is missing")
	}
	all = images()
	signature, sbom, of := s.image(t, "s"), s.image(t, "t"), s.image(t, "u")
	signature.Subject, sbom.Subject = all[0].Root.Digest, all[0].Root.Digest
	of.Subject = sbom.Root.Digest
	all[0].Referrers = []*image.Image{signature, sbom, of}
	got, _, _, err = farside.Answer(t.Context(), all, list("u"), nil)
	if err != nil || len(got) != 1 || !slices.Equal(got[0].Referrers, []*image.Image{sbom, of}) {
		t.Errorf("%d images, %v: only referrers that are needed, and what they belong to, travel", len(got), err)
	}
	wrong := list("a")
	wrong.Blobs[0].Size++
	_, _, missing, err = farside.Answer(t.Context(), images(), wrong, nil)
	if err != nil || len(missing.Blobs) != 1 {
		t.Errorf("a blob of another size: %v, %v", missing, err)
	}
}
