package dockerarchive_test

import (
	"archive/tar"
	"bytes"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
)

// TestWriteGolden checks every entry of an archive: names, order, content, modes and times.
func TestWriteGolden(t *testing.T) {
	s := newStore(t)
	base, top := tarball(1, 3000), tarball(2, 5000)
	im := s.image("me", []string{"docker.io/library/alpine:3.20", "127.0.0.1:5000/team/app:1"},
		s.layer(base, zipped), s.layer(top, docker))
	got, headers := entries(t, written(t, dockerarchive.Docker, dockerarchive.Options{}, im))
	config := string(s.config(im))
	id := digest.FromString(config).Encoded()
	// TestV1Layers checks them
	lower, upper := strings.TrimSuffix(got[3].Name, "/"), strings.TrimSuffix(got[7].Name, "/")
	want := []entry{
		{Name: "manifest.json", Body: `[{"Config":"` + id +
			`.json","RepoTags":["docker.io/library/alpine:3.20","127.0.0.1:5000/team/app:1"],` +
			`"Layers":["` + lower + `/layer.tar","` + upper + `/layer.tar"]}]` + "\n"},
		{Name: "repositories", Body: `{"127.0.0.1:5000/team/app":{"1":"` + upper + `"},"alpine":{"3.20":"` + upper +
			`"}}` + "\n"},
		{Name: id + ".json", Body: config},
		{Name: lower + "/", Type: tar.TypeDir},
		{Name: lower + "/VERSION", Body: "1.0"},
		{Name: lower + "/json", Body: got[5].Body},
		{Name: lower + "/layer.tar", Body: string(base)},
		{Name: upper + "/", Type: tar.TypeDir},
		{Name: upper + "/VERSION", Body: "1.0"},
		{Name: upper + "/json", Body: got[9].Body},
		{Name: upper + "/layer.tar", Body: string(top)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	for _, h := range headers {
		mode, when := int64(0o644), created.Truncate(time.Second)
		if h.Typeflag == tar.TypeDir {
			mode = 0o755
		}
		if h.Name == "manifest.json" || h.Name == "repositories" {
			when = time.Unix(0, 0)
		}
		if h.Mode != mode || !h.ModTime.Equal(when) || h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" ||
			h.Format != tar.FormatUSTAR {
			t.Errorf("header %+v", h)
		}
	}
}

// config returns the bytes of an image's configuration.
func (s *store) config(im *image.Image) []byte {
	return s.Content[im.RootNode().Document.Config.Digest]
}

// shapes are images with all kinds of layers, alone and together.
func shapes(t testing.TB) map[string][]*image.Image {
	s := newStore(t)
	a, b, c := tarball(1, 3000), tarball(2, 5000), tarball(3, 700_000)
	all := []packed{}
	for i, p := range []packing{plain, halves, zstded, zipped, stargz, tooLarge, mistyped, docker, oddEnd,
		unzipped, otherKind, nameless, foreign} {
		all = append(all, s.layer(tarball(byte(10+i), 2000+700*i), p))
	}
	whole := s.layer(c, zipped)
	empty := s.layer(nil, plain)
	name := func(n ...string) (names []string) {
		for _, n := range n {
			names = append(names, "docker.io/library/"+n)
		}
		return names
	}
	return map[string][]*image.Image{
		"one layer":            {s.image("a", name("a:1"), whole)},
		"no name":              {s.image("a", nil, whole)},
		"no layer":             {s.image("a", name("a:1"))},
		"no layer and no name": {s.image("a", nil)},
		"empty layers":         {s.image("a", name("a:1"), empty, whole, empty)},
		"plain":                {s.image("a", name("a:1"), s.layer(a, plain), s.layer(b, plain))},
		"zstd":                 {s.image("a", name("a:1"), s.layer(a, zstded), s.layer(b, zstded))},
		"zstd below gzip":      {s.image("a", name("a:1"), s.layer(a, zstded), s.layer(b, zipped))},
		"two members":          {s.image("a", name("a:1"), s.layer(b, halves), s.layer(a, zipped))},
		"estargz":              {s.image("a", name("a:1"), s.layer(b, stargz), s.layer(a, zipped))},
		"not a multiple of blocks": {s.image("a", name("a:1"), s.layer(append(a, "odd"...), zipped),
			s.layer(append(b, 'x'), plain))},
		"smaller than its blob": {s.image("a", name("a:1"), s.layer(a, tooLarge), s.layer(b, zipped))},
		"everything":            {s.image("a", name("a:1"), all...)},
		"a layer twice":         {s.image("a", name("a:1"), whole, s.layer(a, zipped), whole)},
		"a late layer twice": {s.image("a", name("a:1"), s.layer(a, zstded), s.layer(b, zipped),
			s.layer(a, zstded))},
		"a layer in two forms": {s.image("a", name("a:1"), s.layer(a, zipped), s.layer(a, zstded))},
		"images that share layers": {s.image("a", name("a:1"), whole, s.layer(a, zipped)),
			s.image("b", name("b:1"), whole, s.layer(b, halves)), s.image("c", nil, whole)},
		"an image twice": {s.image("a", name("a:1", "a:2"), whole),
			s.image("a", name("a:2", "b:1"), whole)},
		"images of the same layers": {s.image("a", name("a:1"), whole), s.image("b", name("b:1"), whole)},
		"one image is part of another": {s.image("a", name("a:1"), s.layer(a, halves), s.layer(b, zipped)),
			s.image("b", name("b:1"), s.layer(a, halves))},
		"images that differ in history": {s.history("x", whole), s.history("y", whole)},
	}
}

func (s *store) history(by string, layers ...packed) *image.Image {
	return s.build(v1.Image{History: []v1.History{{CreatedBy: by}}}, []string{"docker.io/library/" + by + ":1"},
		layers...)
}

func TestWriteIsReproducibleAndReadable(t *testing.T) {
	for name, given := range shapes(t) {
		want := written(t, dockerarchive.Docker, dockerarchive.Options{}, given...)
		for _, jobs := range []int{1, 8} {
			if got := written(t, dockerarchive.Docker, dockerarchive.Options{Jobs: jobs}, given...); !bytes.Equal(got,
				want) {
				t.Errorf("%s: other bytes with %d jobs", name, jobs)
			}
		}
		var b bytes.Buffer
		if err := dockerarchive.Stream(t.Context(), &b, dockerarchive.Docker, given,
			dockerarchive.Options{}); err != nil || !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%s: Stream writes %d bytes, Write %d: %v", name, b.Len(), len(want), err)
		}
		checkArchive(t, name, want)
		checkRoundTrip(t, name, want, given)
	}
}

// checkArchive checks what every archive has to have, whoever reads it.
func checkArchive(t *testing.T, name string, archive []byte) {
	t.Helper()
	all, headers := entries(t, archive)
	seen := map[string]entry{}
	for i, e := range all {
		if _, twice := seen[e.Name]; twice {
			t.Errorf("%s: %s stands there twice", name, e.Name)
		}
		seen[e.Name] = e
		if e.Type == tar.TypeSymlink {
			target := seen[strings.TrimPrefix(e.Link, "../")]
			if target.Type != 0 || target.Name == "" || !strings.HasPrefix(e.Link, "../") || headers[i].Mode != 0o777 {
				t.Errorf("%s: %s is a link to %q, which is not a file before it", name, e.Name, e.Link)
			}
		}
	}
	if tail := archive[len(archive)-1024:]; len(archive)%512 != 0 || !bytes.Equal(tail, make([]byte, 1024)) {
		t.Errorf("%s: %d bytes that do not end in two empty blocks", name, len(archive))
	}
	saved, err := images(archive)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, im := range saved {
		for _, l := range im.Layers {
			if e := seen[l.Path]; e.Type != 0 || digest.FromString(e.Body) != l.DiffID {
				t.Errorf("%s: manifest.json refers to %s, which is not a file with that layer", name, l.Path)
			}
		}
	}
}

// checkRoundTrip reads an archive and compares with the images it was made of; then it writes it again.
func checkRoundTrip(t *testing.T, name string, archive []byte, given []*image.Image) {
	t.Helper()
	saved, err := images(archive)
	if err != nil {
		t.Fatal(err)
	}
	var again []*image.Image
	names, want := map[digest.Digest][]string{}, map[digest.Digest][]string{}
	for _, im := range given {
		id := im.RootNode().Document.Config.Digest
		for _, n := range append([]string{}, im.Names...) {
			if !strings.Contains(strings.Join(want[id], " "), n) {
				want[id] = append(want[id], n)
			}
		}
	}
	for _, s := range saved {
		if len(s.Names) > 0 {
			names[s.ID] = s.Names
		}
		for i, l := range s.Layers {
			got, err := io.ReadAll(l.Open())
			if err != nil || digest.FromBytes(got) != l.DiffID || int64(len(got)) != l.Size() {
				t.Errorf("%s: layer %d of %s is wrong: %v", name, i, s.ID, err)
			}
		}
		im, err := s.Image(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		again = append(again, im)
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("%s: names (-want +got):\n%s", name, diff)
	}
	once := written(t, dockerarchive.Docker, dockerarchive.Options{}, again...)
	first, _ := images(archive)
	second, err := images(once)
	if err != nil || len(first) != len(second) {
		t.Fatalf("%s: written again: %d images, %v", name, len(second), err)
	}
	for i := range first {
		if first[i].ID != second[i].ID || len(first[i].Layers) != len(second[i].Layers) {
			t.Errorf("%s: written again, image %d is another", name, i)
		}
	}
}

func TestWriteLinksRepeatedLayers(t *testing.T) {
	s := newStore(t)
	shared := s.layer(tarball(1, 3000), zipped)
	for name, given := range map[string][]*image.Image{
		"in one image":     {s.image("a", nil, shared, shared)},
		"in several":       {s.image("a", nil, shared), s.image("b", nil, shared)},
		"in several forms": {s.image("a", nil, shared), s.image("b", nil, s.layer(tarball(1, 3000), zstded))},
	} {
		files, links := 0, 0
		all, _ := entries(t, written(t, dockerarchive.Docker, dockerarchive.Options{}, given...))
		for _, e := range all {
			switch {
			case strings.HasSuffix(e.Name, "/layer.tar") && e.Type == 0:
				files++
			case e.Type == tar.TypeSymlink:
				links++
			}
		}
		if files != 1 || links != 1 {
			t.Errorf("%s: the layer is there %d times, with %d links", name, files, links)
		}
	}
}

func TestWriteTimes(t *testing.T) {
	s := newStore(t)
	for name, c := range map[string]struct {
		created *time.Time
		want    int64
	}{
		"none":                      {nil, 0},
		"year 1":                    {new(time.Time), 0},
		"before 1970":               {at(-5), 0},
		"1970":                      {at(0), 0},
		"a fraction":                {new(created), created.Unix()},
		"the last that ustar holds": {at(1<<33 - 1), 1<<33 - 1},
		"year 2243":                 {at(1 << 33), 1 << 33},
		"year 9999":                 {at(253402300799), 253402300799},
	} {
		// One layer of a size that shows only in the end, and one behind it.
		im := s.build(v1.Image{Created: c.created}, nil, s.layer(tarball(1, 3000), zstded),
			s.layer(tarball(2, 2000), halves))
		got := written(t, dockerarchive.Docker, dockerarchive.Options{}, im)
		var b bytes.Buffer
		if err := dockerarchive.Stream(t.Context(), &b, dockerarchive.Docker, []*image.Image{im},
			dockerarchive.Options{}); err != nil || !bytes.Equal(b.Bytes(), got) {
			t.Errorf("%s: Stream differs: %v", name, err)
		}
		checkArchive(t, name, got)
		_, headers := entries(t, got)
		if last := headers[len(headers)-1]; last.ModTime.Unix() != c.want {
			t.Errorf("%s: %v, want %d", name, last.ModTime, c.want)
		}
	}
}

func at(seconds int64) *time.Time { return new(time.Unix(seconds, 0).UTC()) }

func TestWriteReports(t *testing.T) {
	s := newStore(t)
	for name, write := range map[string]func(opts dockerarchive.Options, im *image.Image) error{
		"Write": func(opts dockerarchive.Options, im *image.Image) error {
			return dockerarchive.Write(t.Context(), &memory{}, dockerarchive.Docker, []*image.Image{im}, opts)
		},
		"Stream": func(opts dockerarchive.Options, im *image.Image) error {
			return dockerarchive.Stream(t.Context(), io.Discard, dockerarchive.Docker, []*image.Image{im}, opts)
		},
	} {
		a, b := s.layer(tarball(1, 3000), zipped), s.layer(tarball(2, 700_000), halves)
		var planned []v1.Descriptor
		least, last := map[digest.Digest]int64{}, map[digest.Digest]int64{}
		least[a.blob.Digest], least[b.blob.Digest] = math.MaxInt64, math.MaxInt64
		opts := dockerarchive.Options{Jobs: 1, Planned: func(all []v1.Descriptor) {
			planned = append(planned, all...)
		}}
		opts.Progress = func(d v1.Descriptor, n int64) {
			least[d.Digest], last[d.Digest] = min(least[d.Digest], n), n
		}
		if err := write(opts, s.image("a", nil, a, b, a)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]v1.Descriptor{a.blob, b.blob}, planned); diff != "" {
			t.Errorf("%s: planned (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(map[digest.Digest]int64{a.blob.Digest: a.blob.Size, b.blob.Digest: b.blob.Size},
			last); diff != "" {
			t.Errorf("%s: reported in the end (-want +got):\n%s", name, diff)
		}
		if least[a.blob.Digest] != 0 || least[b.blob.Digest] != 0 {
			t.Errorf("%s: the beginning was not reported", name)
		}
	}
}
