package dockerarchive_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
)

// Bodies of layers that are larger than what is held, once HoldLess has made that small.
var (
	largeA = strings.Repeat("layer A ", 1000)
	largeB = strings.Repeat("layer B ", 1500)
	largeC = strings.Repeat("another ", 1500)
)

const heldEntry, heldAll = 4 << 10, 64 << 10

func largeImage() (config entry, manifest entry) {
	c := configOf(digest.FromString(largeA), digest.FromString(largeB))
	name := digest.FromString(c).Encoded() + ".json"
	return file(name, c), index(item(name, []string{"app:1"}, "a/layer.tar", "b/layer.tar"))
}

// fromPipe is the archive as a stream, which comes in odd pieces.
func fromPipe(raw []byte) io.Reader {
	return iotest.HalfReader(struct{ io.Reader }{bytes.NewReader(raw)})
}

// told is what an archive says of its images.
func told(t *testing.T, r *dockerarchive.Reader) []string {
	t.Helper()
	c, err := r.Contents(t.Context())
	if err != nil {
		return []string{err.Error()}
	}
	return tell(t, c)
}

func tell(t *testing.T, c *dockerarchive.Contents) (all []string) {
	t.Helper()
	for _, im := range c.Saved {
		all = append(all, fmt.Sprint(im.ID, im.Names))
		for _, l := range im.Layers {
			all = append(all, fmt.Sprint(l.DiffID, l.Path))
		}
	}
	if c.Layout != nil {
		images, err := c.Layout.Images()
		if err != nil {
			t.Fatal(err)
		}
		for _, im := range images {
			all = append(all, fmt.Sprint(im.Name, im.Ref, im.Descriptor.Digest))
		}
	}
	return all
}

// streamed are archives of all kinds, in the order in which drayage writes them and in the reverse.
func streamed(t *testing.T) map[string][]byte {
	config, manifest := largeImage()
	old := func(id, parent, body string) []entry {
		json := `{"id":"` + id + `","os":"linux"}`
		if parent != "" {
			json = `{"id":"` + id + `","parent":"` + parent + `","os":"linux"}`
		}
		return []entry{dir(id + "/"), file(id+"/VERSION", "1.0"), file(id+"/json", json),
			file(id+"/layer.tar", body)}
	}
	one, two := strings.Repeat("1", 64), strings.Repeat("2", 64)
	s := newStore(t)
	im := s.image("a", []string{"docker.io/library/app:1"}, s.layer(tarball(1, 20_000), zipped),
		s.layer(tarball(2, 30_000), zipped))
	lists := map[string][]entry{
		"docker": {manifest, config, dir("a/"), file("a/layer.tar", largeA), file("b/layer.tar", largeB)},
		"v1 archive": append(append(old(one, "", largeA), old(two, one, largeB)...),
			file("repositories", `{"app":{"1":"`+two+`"}}`)),
	}
	lists["oci"], _ = entries(t, written(t, dockerarchive.OCI, dockerarchive.Options{},
		s.open(im.Root, "docker.io/library/app:1")))
	thin := s.image("thin", []string{"docker.io/library/thin:1"}, s.layer(tarball(3, 20_000), zipped),
		s.layer(tarball(1, 20_000), zipped), s.layer(tarball(2, 30_000), zipped))
	leaveOut(func(d v1.Descriptor) bool { return d.Digest == thin.Blobs[1].Digest }, thin)
	lists["oci thin"], _ = entries(t, written(t, dockerarchive.OCI, dockerarchive.Options{}, thin))
	all := map[string][]byte{}
	for name, list := range lists {
		all[name] = archive(t, list...)
		back := slices.Clone(list)
		slices.Reverse(back)
		all[name+" reversed"] = archive(t, back...)
	}
	return all
}

func TestScan(t *testing.T) {
	all := streamed(t)
	dockerarchive.HoldLess(t, heldEntry, heldAll)
	for name, raw := range all {
		inPlace, err := open(raw)
		if err != nil {
			t.Fatal(err)
		}
		r, err := dockerarchive.Scan(t.Context(), fromPipe(raw))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := told(t, inPlace)
		if diff := cmp.Diff(want, told(t, r)); diff != "" || len(want) < 2 && !strings.HasPrefix(name, "oci") {
			t.Errorf("%s (-in place +scanned):\n%s", name, diff)
		}
		c, _ := r.Contents(t.Context())
		for _, im := range c.Saved {
			if _, err := io.ReadAll(im.Layers[0].Open()); !errors.Is(err, dockerarchive.ErrGone) {
				t.Errorf("%s: reading a layer: %v", name, err)
			}
			if kind, err := im.Layers[0].Compression(); kind != "none" || err != nil {
				t.Errorf("%s: stored as %s, %v", name, kind, err)
			}
		}
	}
}

// Every end that an archive can have says the same, from a file and from a stream.
func TestScanCut(t *testing.T) {
	all := streamed(t)
	dockerarchive.HoldLess(t, heldEntry, heldAll)
	for name, raw := range all {
		for n := 0; n < len(raw); n += 509 {
			_, want := open(raw[:n])
			if _, err := dockerarchive.Scan(t.Context(), fromPipe(raw[:n])); (err == nil) != (want == nil) ||
				want != nil && errors.Is(err, dockerarchive.ErrIntegrity) != errors.Is(want, dockerarchive.ErrIntegrity) {
				t.Errorf("%s cut after %d bytes: %v, in place %v", name, n, err, want)
			}
		}
	}
}

// drain takes all files of a stream that are awaited, and returns their names and content.
func drain(t *testing.T, p *dockerarchive.Pass, c *dockerarchive.Contents) (names []string, err error) {
	t.Helper()
	for {
		name, err := p.Next(t.Context())
		if err != nil {
			return names, err
		}
		names = append(names, name)
		if p.Awaits(name) {
			t.Errorf("%s has come, and is awaited", name)
		}
		for _, im := range c.Saved {
			for _, l := range im.Layers {
				if l.Path != name {
					continue
				}
				if got, err := io.ReadAll(l.Open()); err != nil {
					return names, err
				} else if digest.FromBytes(got) != l.DiffID || l.Size() != int64(len(got)) {
					t.Errorf("layer %s has %d bytes, of %d, which hash to %s", name, len(got), l.Size(),
						digest.FromBytes(got))
				}
			}
		}
	}
}

func TestPass(t *testing.T) {
	all := streamed(t)
	dockerarchive.HoldLess(t, heldEntry, heldAll)
	for name, raw := range all {
		p, err := dockerarchive.NewPass(t.Context(), fromPipe(raw))
		if err != nil {
			t.Fatal(err)
		}
		c, err := p.Plan(t.Context())
		if name != "docker" && name != "oci" && name != "oci thin" {
			rest, rerr := io.ReadAll(p.Rest())
			if !errors.Is(err, dockerarchive.ErrOrder) || rerr != nil || !bytes.Equal(rest, raw) {
				t.Errorf("%s: %v; the rest has %d bytes of %d, %v", name, err, len(rest), len(raw), rerr)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		inPlace, err := open(raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(told(t, inPlace), tell(t, c)); diff != "" {
			t.Errorf("%s (-in place +in one pass):\n%s", name, diff)
		}
		names, err := drain(t, p, c)
		if len(names) != 2 || err != io.EOF {
			t.Errorf("%s: %q have come, %v", name, names, err)
		}
	}
}

// What the end of an archive says counts, although its layers have gone by.
func TestPassEnds(t *testing.T) {
	dockerarchive.HoldLess(t, heldEntry, heldAll)
	config, manifest := largeImage()
	start := []entry{manifest, config}
	layers := []entry{file("a/layer.tar", largeA), file("b/layer.tar", largeB)}
	other := configOf(digest.FromString(largeA))
	for _, c := range []struct {
		name string
		then []entry
		cut  int
		want string // empty: nothing is wrong
	}{
		{name: "good", then: layers},
		{name: "other order", then: []entry{layers[1], layers[0]}},
		{name: "something else", then: append(slices.Clone(layers), file("else", largeC), file("x.json", "{}"))},
		{name: "a layer twice", then: append(slices.Clone(layers), layers[0])},
		{name: "a layer twice, and different", then: append(slices.Clone(layers), file("b/layer.tar", largeC)),
			want: "ambiguous"},
		{name: "two manifests", then: append(slices.Clone(layers),
			index(item(config.Name, nil, "a/layer.tar", "b/layer.tar"))), want: "ambiguous"},
		{name: "the same manifest", then: append(slices.Clone(layers), manifest)},
		{name: "two configurations", then: append(slices.Clone(layers), file(config.Name, other)),
			want: "ambiguous"},
		{name: "no layer", then: layers[:1], want: `no entry "b/layer.tar"`},
		{name: "a link", then: []entry{layers[0], link("b/layer.tar", "../a/layer.tar")}, want: "link"},
		{name: "cut in a layer", then: layers, cut: 6000, want: "cut off"},
		{name: "cut behind a layer", then: append(slices.Clone(layers), file("else", largeC)), cut: 1024 + 12_000,
			want: "cut off"},
		{name: "another index", then: append(slices.Clone(layers),
			file("oci-layout", `{"imageLayoutVersion":"1.0.0"}`),
			file("index.json",
				`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":2,"digest":"`+digest.FromString("{}").String()+`"}]}`)), want: "changes what its images are"},
	} {
		raw := archive(t, append(slices.Clone(start), c.then...)...)
		p, err := dockerarchive.NewPass(t.Context(), fromPipe(raw[:len(raw)-c.cut]))
		if err != nil {
			t.Fatal(c.name, err)
		}
		plan, err := p.Plan(t.Context())
		if err != nil {
			t.Fatal(c.name, err)
		}
		_, err = drain(t, p, plan)
		if c.want == "" && err != io.EOF || c.want != "" && (errors.Is(err, io.EOF) ||
			!strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// The first bytes of a file can be read again, and nothing else of it.
func TestPassReplays(t *testing.T) {
	dockerarchive.HoldLess(t, heldEntry, heldAll)
	config, manifest := largeImage()
	p, err := dockerarchive.NewPass(t.Context(),
		fromPipe(archive(t, manifest, config, file("a/layer.tar", largeA), file("b/layer.tar", largeB))))
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first := c.Saved[0].Layers[0]
	if _, err := first.Open().Read(make([]byte, 1)); err == nil {
		t.Error("a layer can be read before it has come")
	}
	if name, err := p.Next(t.Context()); name != first.Path || err != nil {
		t.Fatal(name, err)
	}
	for range 3 {
		head := make([]byte, heldEntry)
		if _, err := io.ReadFull(first.Open(), head); err != nil || string(head) != largeA[:heldEntry] {
			t.Errorf("%d bytes, %v", len(head), err)
		}
	}
	r := first.Open()
	if got, err := io.ReadAll(r); err != nil || string(got) != largeA {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := io.ReadAll(first.Open()); !errors.Is(err, dockerarchive.ErrGone) {
		t.Errorf("read again: %v", err)
	}
	if names, err := drain(t, p, c); err != io.EOF || !slices.Equal(names, []string{"b/layer.tar"}) {
		t.Errorf("%q, %v", names, err)
	}
}

func TestPassWhole(t *testing.T) {
	for name, raw := range streamed(t) {
		p, err := dockerarchive.NewPass(t.Context(), fromPipe(raw))
		if err != nil || p.Whole() == nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		inPlace, err := open(raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(told(t, inPlace), told(t, p.Whole())); diff != "" {
			t.Errorf("%s (-in place +held):\n%s", name, diff)
		}
	}
}

// A stream never says what the same bytes in a file do not.
// What stands behind the end is looked at and forgotten, also where all that came before is held.
func TestPassForgetsWhatIsBehindTheEnd(t *testing.T) {
	config, manifest := largeImage()
	raw := archive(t, config, file("a/layer.tar", largeA), file("b/layer.tar", largeB), manifest)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	p, err := dockerarchive.NewPass(t.Context(),
		io.MultiReader(bytes.NewReader(raw), io.LimitReader(zeros{}, 64<<20)))
	if err != nil || p.Whole() == nil {
		t.Fatalf("%v, %v", p, err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if more := int64(after.HeapAlloc) - int64(before.HeapAlloc); more > 16<<20 {
		t.Errorf("%d bytes are held of an archive of %d", more, len(raw))
	}
	runtime.KeepAlive(p)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func FuzzPass(f *testing.F) {
	addCorpus(f)
	for _, raw := range thinShapes(f) {
		f.Add(raw)
	}
	docker, _, _, _ := thinDockerTar(f)
	f.Add(docker)
	config, manifest := largeImage()
	f.Add(archive(f, manifest, config, file("a/layer.tar", largeA), file("b/layer.tar", largeB)))
	f.Add(archive(f, file("a/layer.tar", largeA), file("b/layer.tar", largeB), manifest, config, manifest))
	f.Fuzz(func(t *testing.T, raw []byte) {
		dockerarchive.HoldLess(t, heldEntry, heldAll)
		inPlace, openErr := open(raw)
		scanned, err := dockerarchive.Scan(t.Context(), bytes.NewReader(raw))
		if (err == nil) != (openErr == nil) {
			t.Fatalf("scanned: %v, in place: %v", err, openErr)
		}
		if err == nil {
			scanned.Contents(t.Context())
		}
		p, err := dockerarchive.NewPass(t.Context(), bytes.NewReader(raw))
		if err != nil || p.Whole() != nil {
			return
		}
		c, err := p.Plan(t.Context())
		if err != nil {
			if rest, err := io.ReadAll(p.Rest()); err != nil || !bytes.Equal(rest, raw) {
				t.Fatalf("the rest has %d bytes of %d, %v", len(rest), len(raw), err)
			}
			return
		}
		for err == nil {
			_, err = p.Next(t.Context())
		}
		if err == io.EOF && (openErr != nil || !slices.Equal(told(t, inPlace), tell(t, c))) {
			t.Fatalf("in one pass %q, in place %v", tell(t, c), openErr)
		}
	})
}

// endless is a tar of n files of JSON with size bytes each, made while it is read.
func endless(n int, size int64) io.Reader {
	pr, pw := io.Pipe()
	go func() {
		w := tar.NewWriter(pw)
		body := append([]byte("{"), make([]byte, size-1)...)
		for i := range n {
			if err := w.WriteHeader(&tar.Header{Name: fmt.Sprint(i, ".json"), Mode: 0o644, Size: size}); err != nil {
				break
			}
			if _, err := w.Write(body); err != nil {
				break
			}
		}
		pw.CloseWithError(w.Close())
	}()
	return pr
}

// An archive that consists of what is to be held, and of too much of it, is not held.
func TestStreamsHoldLittle(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r, err := dockerarchive.Scan(t.Context(), endless(40, 4<<20))
	if err != nil {
		t.Fatal(err)
	}
	p, err := dockerarchive.NewPass(t.Context(), endless(100, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 80<<20 {
		t.Errorf("%d MiB are held for two streams", held>>20)
	}
	if _, err := r.Contents(t.Context()); !errors.Is(err, dockerarchive.ErrNotImage) {
		t.Error(err)
	}
	if n, err := io.Copy(io.Discard, p.Rest()); n != 100*(1<<20+512)+1024 || err != nil {
		t.Errorf("the rest has %d bytes, %v", n, err)
	}
}
