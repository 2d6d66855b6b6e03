package fetch_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/fetch"
	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/internal/schema1test"
	"drayage/layout"
	"drayage/registry"
)

// old is a registry with an image in schema 1 of two layers, one of them twice, and a step without files.
type old struct {
	*testing.T
	*fakeregistry.Registry
	addr    string
	client  *registry.Client
	one     fakeregistry.Layer
	two     fakeregistry.Layer
	desc    v1.Descriptor // as the registry knows it
	diffIDs []digest.Digest
}

func newOld(t *testing.T) *old {
	o := &old{T: t, Registry: fakeregistry.New(), client: &registry.Client{}}
	server := httptest.NewServer(o.Registry)
	t.Cleanup(server.Close)
	t.Cleanup(o.client.Close)
	o.addr = strings.TrimPrefix(server.URL, "http://")
	o.one = fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"one": strings.Repeat("one ", 10_000)}))
	o.two = fakeregistry.PlainLayer(fakeregistry.Tar(map[string]string{"two": "2"}))
	o.diffIDs = []digest.Digest{o.one.DiffID, o.two.DiffID, o.one.DiffID}
	o.desc = o.put("app", "1", o.one.Content, o.two.Content, schema1test.EmptyBlob, o.one.Content)
	return o
}

// put stores an image in schema 1. A layer of EmptyBlob is one that was thrown away, whose blob is not there.
func (o *old) put(name, tag string, layers ...[]byte) v1.Descriptor {
	im := schema1test.Image{Name: name, Tag: tag, Architecture: "amd64"}
	for _, l := range layers {
		fields := map[string]any{"os": "linux", "architecture": "amd64", "docker_version": "1.10.0"}
		if &l[0] == &schema1test.EmptyBlob[0] {
			fields["throwaway"] = true
		} else {
			o.PutBlob(name, l)
		}
		im.Layers = append(im.Layers, schema1test.Layer{Blob: digest.FromBytes(l), Fields: fields})
	}
	return o.PutSchema1(name, tag, im)
}

func (o *old) ref(s string) registry.Reference {
	ref, err := registry.ParseReference(o.addr + "/" + s)
	if err != nil {
		o.Fatal(err)
	}
	return ref
}

func (o *old) layout() *layout.Dir {
	dir, err := layout.CreateDir(o.Context(), filepath.Join(o.TempDir(), "layout"))
	if err != nil {
		o.Fatal(err)
	}
	o.Cleanup(func() { dir.Close() })
	return dir
}

func (o *old) fetch(dst *layout.Dir, opts fetch.Options, names ...string) []fetch.Result {
	o.Helper()
	var refs []registry.Reference
	for _, n := range names {
		refs = append(refs, o.ref(n))
	}
	results, err := fetch.Images(o.Context(), o.client, refs, dst, opts)
	if err != nil {
		o.Fatal(err)
	}
	return results
}

// check reads an image from where it is and compares it with what was put.
func (o *old) check(src image.Source, root v1.Descriptor) {
	o.Helper()
	raw, err := image.ReadAll(o.Context(), src, root, image.MaxManifestSize)
	if err != nil {
		o.Fatal(err)
	}
	doc, err := image.ParseManifest(image.DockerManifest, raw)
	if err != nil {
		o.Fatal(err)
	}
	raw, err = image.ReadAll(o.Context(), src, *doc.Config, image.MaxConfigSize)
	if err != nil {
		o.Fatal(err)
	}
	var config v1.Image
	if err := json.Unmarshal(raw, &config); err != nil {
		o.Fatal(err)
	}
	if diff := cmp.Diff(o.diffIDs, config.RootFS.DiffIDs); diff != "" {
		o.Error(diff)
	}
	var empty []bool
	for _, h := range config.History {
		empty = append(empty, h.EmptyLayer)
	}
	if diff := cmp.Diff([]bool{false, false, true, false}, empty); diff != "" {
		o.Error(diff)
	}
	one := v1.Descriptor{MediaType: image.DockerLayer, Digest: digest.FromBytes(o.one.Content),
		Size: int64(len(o.one.Content))}
	two := v1.Descriptor{MediaType: image.DockerPlainLayer, Digest: o.two.DiffID,
		Size: int64(len(o.two.Content))}
	if diff := cmp.Diff([]v1.Descriptor{one, two, one}, doc.Layers); diff != "" {
		o.Error(diff)
	}
	for _, l := range doc.Layers {
		if _, err := image.ReadAll(o.Context(), src, l, 1<<20); err != nil {
			o.Error(err)
		}
	}
}

func TestSchema1(t *testing.T) {
	o := newOld(t)
	dst := o.layout()
	var planned []v1.Descriptor
	results := o.fetch(dst, fetch.Options{Planned: func(all []v1.Descriptor) { planned = all }}, "app:1",
		"app@"+o.desc.Digest.String())
	if n := len(o.Requests("GET", "/blobs/")); n != 2 || len(planned) != 2 {
		t.Errorf("%d reads of two blobs, %d planned", n, len(planned))
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		if r.Image.Schema1 != o.desc.Digest || r.Image.Root.Digest == o.desc.Digest || len(r.Image.Platforms) != 1 {
			t.Errorf("%s is %s, of schema 1 %s, for %v", r.Reference, r.Image.Root.Digest, r.Image.Schema1,
				r.Image.Platforms)
		}
		o.check(dst, r.Image.Root)
		o.check(r.Image.Source, r.Image.Root)
	}
	found, err := dst.Find(results[0].Reference.String())
	if err != nil || len(found) != 1 || found[0].Descriptor.Digest != results[0].Image.Root.Digest ||
		found[0].Descriptor.MediaType != image.DockerManifest {
		t.Errorf("in the layout: %v, %v", found, err)
	}

	o.Reset()
	again := o.fetch(dst, fetch.Options{}, "app:1")[0]
	if again.Err != nil || again.Image.Root.Digest != results[0].Image.Root.Digest ||
		again.Replaced.Digest != "" {
		t.Errorf("the second time: %+v", again)
	}
	if n := len(o.Requests("GET", "/blobs/")); n != 0 {
		t.Errorf("%d reads of blobs that were there", n)
	}

	im, err := o.convert(t.Context(), "app:1", fetch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(again.Image.Root, im.Root); diff != "" || im.Schema1 != o.desc.Digest {
		t.Errorf("resolved alone: %s", diff)
	}
	o.check(im.Source, im.Root)
}

// convert resolves one image and converts it where it is.
func (o *old) convert(ctx context.Context, name string, opts fetch.Options) (*fetch.Image, error) {
	r := fetch.Resolve(ctx, o.client, []registry.Reference{o.ref(name)}, opts)[0]
	if r.Err != nil {
		return nil, r.Err
	}
	return r.Image, r.Image.Convert(ctx, opts)
}

func TestSchema1WithoutLayers(t *testing.T) {
	o := newOld(t)
	o.put("none", "1", schema1test.EmptyBlob)
	dst := o.layout()
	r := o.fetch(dst, fetch.Options{}, "none:1")[0]
	if r.Err != nil || len(r.Image.Blobs) != 1 {
		t.Fatalf("%+v", r)
	}
	if _, err := image.ReadAll(t.Context(), dst, r.Image.Blobs[0], 1<<20); err != nil {
		t.Error(err)
	}
}

// One image that cannot be converted does not take along another that has the same layer.
func TestSchema1Fails(t *testing.T) {
	o := newOld(t)
	cut := o.one.Content[:len(o.one.Content)-10]
	o.put("cut", "1", cut)
	o.PutImage("new", "1", fakeregistry.Image{Layers: []fakeregistry.Layer{{Content: cut,
		DiffID: o.one.DiffID}}})
	o.put("absent", "1", o.two.Content)
	o.On(fakeregistry.Match{Path: "/v2/absent/blobs/"}, fakeregistry.Status(404))
	o.put("chain", "1", o.one.Content)
	o.PutSchema1("chain", "1", schema1test.Image{Layers: []schema1test.Layer{{Blob: o.two.DiffID,
		Fields: map[string]any{"parent": "x"}}}})
	results := o.fetch(o.layout(), fetch.Options{}, "cut:1", "new:1", "absent:1", "app:1", "chain:1")
	for i, want := range []error{registry.ErrIntegrity, nil, registry.ErrNotFound, nil} {
		if err := results[i].Err; !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", results[i].Reference, err, want)
		}
	}
	if err := results[4].Err; err == nil || !strings.Contains(err.Error(), "base layer") {
		t.Errorf("chain: %v", err)
	}
	if _, err := o.convert(t.Context(), "cut:1", fetch.Options{}); !errors.Is(err, registry.ErrIntegrity) {
		t.Errorf("resolved alone: %v", err)
	}
}

// The platform is known before layers are asked for.
func TestSchema1Platform(t *testing.T) {
	o := newOld(t)
	for arch, ok := range map[string]bool{"amd64": true, "arm64": false} {
		o.Reset()
		r := o.fetch(o.layout(), fetch.Options{Platforms: []v1.Platform{{OS: "linux", Architecture: arch}}},
			"app:1")[0]
		var missing *image.PlatformError
		if errors.As(r.Err, &missing) == ok || !ok && len(o.Requests("", "/blobs/")) > 0 {
			t.Errorf("%s: %v after %d requests for blobs", arch, r.Err, len(o.Requests("", "/blobs/")))
		}
	}
}

func TestSchema1Cancelled(t *testing.T) {
	o := newOld(t)
	ctx, cancel := context.WithCancel(t.Context())
	opts := fetch.Options{Planned: func([]v1.Descriptor) { cancel() }}
	if _, err := o.convert(ctx, "app:1", opts); !errors.Is(err, context.Canceled) {
		t.Errorf("resolved: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	dst := o.layout()
	_, err := fetch.Images(ctx, o.client, []registry.Reference{o.ref("app:1")}, dst, opts)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("fetched: %v", err)
	}
	if images, err := dst.Images(); err != nil || len(images) != 0 {
		t.Errorf("in the layout: %v, %v", images, err)
	}
}

func TestSchema1Progress(t *testing.T) {
	o := newOld(t)
	held := map[digest.Digest]int64{}
	var planned []v1.Descriptor
	opts := fetch.Options{Jobs: 1, Planned: func(all []v1.Descriptor) { planned = all },
		Progress: func(d v1.Descriptor, n int64) { held[d.Digest] = n }}
	if _, err := o.convert(t.Context(), "app:1", opts); err != nil {
		t.Fatal(err)
	}
	for _, d := range planned {
		if held[d.Digest] != d.Size {
			t.Errorf("%s: %d of %d bytes reported", d.Digest, held[d.Digest], d.Size)
		}
	}
	if len(planned) != 2 {
		t.Errorf("%d blobs planned", len(planned))
	}
}
