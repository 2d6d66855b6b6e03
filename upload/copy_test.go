package upload_test

import (
	"bytes"
	"errors"
	"net/http"
	"testing"

	"drayage/fetch"
	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/registry"
	"drayage/upload"
)

// copying has an image with a large layer in source.test, which goes to registry.test.
type copying struct {
	*site
	source *fakeregistry.Registry
	layer  []byte
	path   string // of the layer's requests
}

func (s *site) copying() *copying {
	c := &copying{site: s, source: s.other("source.test:80"), layer: content(7, large)}
	l := fakeregistry.GzipLayer(c.layer)
	c.layer = l.Content
	c.source.PutImage("app", "1", fakeregistry.Image{Layers: []fakeregistry.Layer{l}})
	c.path = "/app/blobs/" + image.Describe("", l.Content).Digest.String()
	return c
}

// copy copies source.test/app:1.
func (c *copying) copy(to string, opts upload.Options) upload.Result {
	c.Helper()
	ref, err := registry.ParseReference("source.test/app:1")
	if err != nil {
		c.Fatal(err)
	}
	found := fetch.Resolve(c.Context(), c.client, []registry.Reference{ref}, fetch.Options{All: true})[0]
	if found.Err != nil {
		c.Fatal(found.Err)
	}
	t := c.to(to)
	t.Image, t.From = &found.Image.Image, c.client.Repository(ref)
	return c.push(opts, t)[0]
}

// uploads are the requests with content of the layer.
var uploads = fakeregistry.Match{Path: "/uploads/", Func: func(req *http.Request) bool {
	return req.Method != "POST" && (req.ContentLength < 0 || req.ContentLength > 1<<20)
}}

func times(n int, m fakeregistry.Match) fakeregistry.Match {
	m.Count = n
	return m
}

// TestCopyGoesOn breaks the source, the destination, and both. What the source sends in all is little more
// than the layer.
func TestCopyGoesOn(t *testing.T) {
	const far = 5 << 20
	for name, c := range map[string]struct {
		source, dest fakeregistry.Fault
		count        int
	}{
		"nothing breaks":                    {},
		"the source":                        {source: fakeregistry.Cut(far), count: 1},
		"the source, more than once":        {source: fakeregistry.Cut(1 << 20), count: 3},
		"the destination":                   {dest: fakeregistry.CutKeeping(far), count: 1},
		"the destination, more than once":   {dest: fakeregistry.CutKeeping(3 << 20), count: 2},
		"both":                              {fakeregistry.Cut(far), fakeregistry.CutKeeping(3 << 20), 1},
		"the destination, which ends early": {dest: fakeregistry.LoseAnswer(), count: 1},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(s *site) {
				cp := s.copying()
				if c.source != nil {
					cp.source.On(times(c.count, fakeregistry.Match{Method: "GET", Path: cp.path}), c.source)
				}
				if c.dest != nil {
					s.reg.On(times(c.count, uploads), c.dest)
				}
				if r := cp.copy("mine:2", upload.Options{}); r.Err != nil || r.Converted {
					t.Fatalf("%v, converted: %v", r.Err, r.Converted)
				}
				if !bytes.Equal(s.reg.Blob("mine", image.Describe("", cp.layer).Digest), cp.layer) {
					t.Error("the layer has not arrived")
				}
				was, _ := cp.source.Tag("app", "1")
				if is, _ := s.reg.Tag("mine", "2"); is.Digest != was.Digest {
					t.Errorf("the image is %s, not %s", is.Digest, was.Digest)
				}
				if sent, most := cp.source.Sent("GET", cp.path), int64(len(cp.layer)+6<<20); sent > most {
					t.Errorf("the source sent %d bytes of a layer of %d", sent, len(cp.layer))
				}
			})
		})
	}
}

// TestCopyOfWhatIsWrong wants nothing stored of a layer that is not what the manifest says, unless it is
// right when it is read once more.
func TestCopyOfWhatIsWrong(t *testing.T) {
	for name, count := range map[string]int{"always": 0, "once": 1} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(s *site) {
				cp := s.copying()
				cp.source.On(times(count, fakeregistry.Match{Method: "GET", Path: cp.path}),
					fakeregistry.FlipByte(6<<20))
				r := cp.copy("mine:2", upload.Options{})
				_, tagged := s.reg.Tag("mine", "2")
				stored := s.reg.Blob("mine", image.Describe("", cp.layer).Digest) != nil
				if wrong := count == 0; errors.Is(r.Err, image.ErrIntegrity) != wrong || tagged == wrong ||
					stored == wrong {
					t.Errorf("%v; tagged: %v, stored: %v", r.Err, tagged, stored)
				}
				if n := s.reg.OpenUploads(); n != 0 {
					t.Errorf("%d uploads are left open", n)
				}
			})
		})
	}
}

// TestCopyWithinRegistry wants blobs to be taken over within a registry, and sent where it refuses that.
func TestCopyWithinRegistry(t *testing.T) {
	for name, refuses := range map[string]bool{"it mounts": false, "it refuses to": true} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(s *site) {
				cp := s.copying()
				if refuses {
					cp.source.On(fakeregistry.Match{Method: "POST", Path: "mine/blobs/uploads/",
						Func: func(req *http.Request) bool { return req.URL.Query().Has("mount") }},
						fakeregistry.Status(405))
				}
				if r := cp.copy("source.test/mine:2", upload.Options{}); r.Err != nil {
					t.Fatal(r.Err)
				}
				if _, ok := cp.source.Tag("mine", "2"); !ok {
					t.Error("the image has not arrived")
				}
				if sent := cp.source.Sent("GET", cp.path); (sent > 0) != refuses {
					t.Errorf("%d bytes of the layer have been read", sent)
				}
			})
		})
	}
}
