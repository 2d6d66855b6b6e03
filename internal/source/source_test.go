package source_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"drayage/internal/fakeregistry"
	"drayage/internal/source"
	"drayage/internal/usage"
	"drayage/registry"
)

// Names of files may hold colons (podman#18673).
func TestWild16Parse(t *testing.T) {
	t.Chdir(t.TempDir())
	odd := filepath.Join(t.TempDir(), "my images: 1.tar")
	for _, f := range []string{"a.tar", "odd:name", "rocky8", "rocky8:8.x.tar", odd} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("dir", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("lay:1.0", 0o700); err != nil {
		t.Fatal(err)
	}
	helm, err := registry.ParseReference("oci://corp.test/x:1")
	if err != nil {
		t.Fatal(err)
	}
	ref, err := registry.ParseReference("alpine:3.20")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []source.Spec{
		{Text: "-", Kind: source.Stdin},
		{Text: "dir", Kind: source.Layout, Path: "dir"},
		{Text: "a.tar", Kind: source.Archive, Path: "a.tar"},
		{Text: "odd:name", Kind: source.Archive, Path: "odd:name"},
		{Text: "oci:dir:alpine:3.20", Kind: source.Layout, Path: "dir", Name: "alpine:3.20"},
		{Text: "oci-archive:a.tar", Kind: source.Archive, Path: "a.tar"},
		{Text: "docker-archive:odd:name", Kind: source.Archive, Path: "odd:name"},
		{Text: "alpine:3.20", Kind: source.Registry, Ref: ref},
		// Wild cases 16 and 18.
		{Text: "docker-archive:rocky8:8.x.tar:x:1", Kind: source.Archive, Path: "rocky8:8.x.tar", Name: "x:1"},
		{Text: "docker-archive:rocky8:9.x.tar", Kind: source.Archive, Path: "rocky8", Name: "9.x.tar"},
		{Text: "oci:lay:1.0:x:1", Kind: source.Layout, Path: "lay:1.0", Name: "x:1"},
		{Text: "oci:lay:1.0", Kind: source.Layout, Path: "lay:1.0"},
		{Text: "oci-archive:a.tar:", Kind: source.Archive, Path: "a.tar"},
		{Text: "oci://corp.test/x:1", Kind: source.Registry, Ref: helm},
		{Text: "https://corp.test/x:1", Kind: source.Registry, Ref: helm},
		{Text: " corp.test/x:1\u00a0", Kind: source.Registry, Ref: helm},
		{Text: "docker-archive://a.tar", Kind: source.Archive, Path: "a.tar"},
		{Text: "oci://dir:x:1", Kind: source.Layout, Path: "dir", Name: "x:1"},
		{Text: "oci-layout://dir", Kind: source.Layout, Path: "dir"},
		{Text: "ocidir://lay:1.0:x", Kind: source.Layout, Path: "lay:1.0", Name: "x"},
		{Text: "oci-dir:dir@sha256:12", Kind: source.Layout, Path: "dir", Name: "sha256:12"},
		{Text: "oci:dir:x:1@sha256:12", Kind: source.Layout, Path: "dir", Name: "x:1@sha256:12"},
		{Text: "file:a.tar", Kind: source.Archive, Path: "a.tar"},
		{Text: "file://" + odd, Kind: source.Archive, Path: odd},
		{Text: "file://" + strings.ReplaceAll(odd, " ", "%20"), Kind: source.Archive, Path: odd},
		{Text: "docker-archive:" + odd + ":x:1", Kind: source.Archive, Path: odd, Name: "x:1"},
		{Text: odd, Kind: source.Archive, Path: odd},
	} {
		got, err := source.Parse(want.Text, registry.ParseTyped)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v%s", want.Text, err, diff)
		}
	}
	for text, is := range map[string]func(error) bool{
		"oci:none:x": func(err error) bool { return errors.Is(err, fs.ErrNotExist) },
		"./none":     func(err error) bool { return errors.Is(err, fs.ErrNotExist) },
		"none.tar":   func(err error) bool { return errors.Is(err, fs.ErrNotExist) },
		"No:No:No":   func(err error) bool { return errors.As(err, new(*usage.Error)) },
	} {
		if _, err := source.Parse(text, registry.ParseTyped); err == nil || !is(err) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, want := range map[string]string{ // wild case 18
		"docker-daemon:app": "docker save", "containers-storage:[overlay@/x]app:1": "podman save",
		"oci-archive:none.tar": "no such file", `docker-archive:C:\none.tar:app:1`: `C:\none.tar: no such file`,
		"images.tar.lz4": "not exist", "ocidir://none": "no such file",
		"library://a/b": "docker://", "hub.docker.com/r/bitnami/redis": "bitnami/redis",
	} {
		_, err := source.Parse(text, registry.ParseTyped)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// dockerTar is a docker tar of an image with one large layer. Docker's order has the description at the end.
func dockerTar(t *testing.T, describedFirst bool, names ...string) []byte {
	t.Helper()
	if names == nil {
		names = []string{"app:1"}
	}
	layer := fakeregistry.Tar(map[string]string{"large": strings.Repeat("0123456789abcdef", 9<<16)})
	config := fmt.Appendf(nil,
		`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%q]}}`,
		digest.FromBytes(layer))
	name := digest.FromBytes(config).Encoded() + ".json"
	manifest := fmt.Appendf(nil, `[{"Config":%q,"RepoTags":["%s"],"Layers":["layer.tar"]}]`, name,
		strings.Join(names, `","`))
	files := []struct {
		name string
		body []byte
	}{{"layer.tar", layer}, {name, config}, {"manifest.json", manifest}}
	if describedFirst {
		files[0], files[2] = files[2], files[0]
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.body))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// opened is how an archive has been read.
type opened struct {
	InPlace bool // from the file itself, or from a copy
	Notes   int
	Asked   int // whether one pass will do
	Pass    bool
	Label   string
}

func open(t *testing.T, path string, opts source.Options) opened {
	t.Helper()
	spec, err := source.Parse(path, registry.ParseReference)
	if err != nil {
		t.Fatal(err)
	}
	var o opened
	opts.TempDir, opts.Why = t.TempDir(), "it is a test"
	opts.Note = func(string) { o.Notes++ }
	if decide := opts.OnePass; decide != nil {
		opts.OnePass = func(ctx context.Context, s *source.Set) (why, err error) {
			o.Asked++
			return decide(ctx, s)
		}
	}
	set, err := spec.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	o.InPlace, o.Pass = set.Archive != nil && o.Notes == 0, set.Pass != nil
	o.Label = source.Labels(set.Images)
	return o
}

// An archive is copied only if what it is opened for cannot be done otherwise.
func TestOpenArchive(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, raw []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	packed := func(raw []byte) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write(raw)
		w.Close()
		return b.Bytes()
	}
	first, last := dockerTar(t, true), dockerTar(t, false)
	plain, ordered := write("plain.tar", last), write("ordered.tar.gz", packed(first))
	unordered := write("unordered.tar.gz", packed(last))
	takes := func(context.Context, *source.Set) (why, err error) { return nil, nil }
	refuses := func(context.Context, *source.Set) (why, err error) { return errors.New("no"), nil }
	const app = "docker.io/library/app:1"
	for name, tc := range map[string]struct {
		path string
		opts source.Options
		want opened
	}{
		"plain":              {plain, source.Options{OnePass: takes}, opened{InPlace: true, Label: app}},
		"looked at":          {unordered, source.Options{Look: true}, opened{InPlace: true, Label: app}},
		"at any place":       {ordered, source.Options{}, opened{Notes: 1, Label: app}},
		"in one pass":        {ordered, source.Options{OnePass: takes}, opened{Asked: 1, Pass: true, Label: app}},
		"one pass refused":   {ordered, source.Options{OnePass: refuses}, opened{Asked: 1, Notes: 1, Label: app}},
		"described too late": {unordered, source.Options{OnePass: takes}, opened{Notes: 1, Label: app}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, open(t, tc.path, tc.opts)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChoose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.tar")
	if err := os.WriteFile(path, dockerTar(t, true), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := open(t, "docker-archive:"+path+":app:1",
		source.Options{}).Label; got != "docker.io/library/app:1" {
		t.Errorf("chosen: %s", got)
	}
	spec := source.Spec{Kind: source.Archive, Path: path, Name: "other"}
	_, err := spec.Open(t.Context(), source.Options{})
	if !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(),
		"it has: docker.io/library/app:1") {
		t.Errorf("what is not there: %v", err)
	}
}

// Wild case 21, continued: a part of a divided archive is named as one, with what to do.
func TestWild21PartsOfAnArchive(t *testing.T) {
	dir := t.TempDir()
	for name, part := range map[string]bool{
		"x.tar.part1": true, "x.tar.gz.aa": true, "x.tar.001": true, "x.7z.002": true, "x.tar.gz.partab": true,
		"x.tar": false, "x.tar.gz": false, "x.tar.zst": false, "x.tar.old1": false,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("a part"), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := source.Spec{Kind: source.Archive, Path: path}.Open(t.Context(), source.Options{})
		if err == nil || strings.Contains(err.Error(), "join all parts") != part {
			t.Errorf("%s: %v", name, err)
		}
	}
}
