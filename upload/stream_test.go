package upload_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/dockerarchive"
	"drayage/internal/fakeregistry"
	"drayage/internal/verify"
	"drayage/registry"
	"drayage/upload"
)

// large is more than what is held of a stream.
const large = 9 << 20

// pass begins to read a docker tar with its descriptions first, as a stream.
func (s *site) pass(images ...savedImage) (*dockerarchive.Pass, []*dockerarchive.SavedImage) {
	s.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(name string, content []byte) {
		w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))})
		w.Write(content)
	}
	type item struct {
		Config string
		Layers []string
	}
	var items []item
	for _, im := range images {
		it := item{Config: digest.FromBytes(im.config()).Encoded() + ".json"}
		put(it.Config, im.config())
		for _, l := range im.layers {
			it.Layers = append(it.Layers, digest.FromBytes(l.Content).Encoded()+"/layer.tar")
		}
		items = append(items, it)
	}
	list, err := json.Marshal(items)
	if err != nil {
		s.Fatal(err)
	}
	put("manifest.json", list)
	written := map[string]bool{}
	for i, im := range images {
		for j, l := range im.layers {
			if name := items[i].Layers[j]; !written[name] {
				written[name] = true
				put(name, l.Content)
			}
		}
	}
	w.Close()
	p, err := dockerarchive.NewPass(s.Context(), struct{ io.Reader }{&b})
	if err != nil {
		s.Fatal(err)
	}
	contents, err := p.Plan(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	var all []*dockerarchive.SavedImage
	for i := range contents.Saved {
		all = append(all, &contents.Saved[i])
	}
	return p, all
}

// pushPass pushes one image from a stream.
func (s *site) pushPass(im savedImage, opts upload.Options) error {
	s.Helper()
	target := s.to("app:1")
	p, images := s.pass(im)
	target.Saved, opts.Stream = images[0], p
	if err := upload.InOrder([]upload.Target{target}, p); err != nil {
		s.Fatal(err)
	}
	return s.push(opts, target)[0].Err
}

func TestStream(t *testing.T) {
	zipped := fakeregistry.GzipLayer(content(3, large))
	onSite(t, func(s *site) {
		im := savedImage{layers: []fakeregistry.Layer{plain(1, large), plain(2, 1000), zipped, plain(4, 0)}}
		if err := s.pushPass(im, upload.Options{}); err != nil {
			s.Fatal(err)
		}
		if m := s.checkImage("app", "1", im); m.Layers[2].Digest != digest.FromBytes(zipped.Content) {
			s.Errorf("the gzip layer was stored as %s", m.Layers[2].Digest)
		}
		if n := s.reg.OpenUploads(); n != 0 {
			s.Errorf("%d uploads are left open", n)
		}
		for _, l := range im.layers {
			if got := s.done[l.DiffID]; got != int64(len(l.Content)) {
				s.Errorf("%d bytes of a layer of %d were reported", got, len(l.Content))
			}
		}
	})
}

// A layer that is wrong is found out before it is stored, although nobody could look at it before.
func TestStreamIsVerified(t *testing.T) {
	wrong := digest.FromString("something else")
	for name, l := range map[string]fakeregistry.Layer{"plain": plain(1, large),
		"gzip": fakeregistry.GzipLayer(content(1, large))} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(s *site) {
				l.DiffID = wrong
				err := s.pushPass(savedImage{layers: []fakeregistry.Layer{l}}, upload.Options{})
				if !errors.Is(err, verify.ErrMismatch) {
					s.Errorf("%v", err)
				}
				blobs, manifests, tags := s.reg.Stored("app")
				if blobs > 1 || manifests+tags != 0 { // the configuration
					s.Errorf("%d blobs, %d manifests, %d tags", blobs, manifests, tags)
				}
			})
		})
	}
}

// What breaks is sent again from what is held of the stream. If that is too little, it fails, and the next
// run skips what has arrived.
func TestStreamBreaks(t *testing.T) {
	im := savedImage{layers: []fakeregistry.Layer{plain(1, large), plain(2, 2*large)}}
	onSite(t, func(s *site) {
		s.reg.On(fakeregistry.Match{Method: "PATCH", Count: 2}, fakeregistry.CutBody(1<<20))
		if err := s.pushPass(im, upload.Options{}); err != nil {
			s.Fatal(err)
		}
		s.checkImage("app", "1", im)
	})
	onSite(t, func(s *site) {
		s.reg.On(fakeregistry.Match{Method: "PATCH", First: 2, Count: 1}, fakeregistry.CutBody(large+1<<20))
		opts := upload.Options{CacheDir: s.TempDir()}
		if err := s.pushPass(im, opts); !errors.Is(err, dockerarchive.ErrGone) ||
			!strings.Contains(err.Error(), "run the same command again") {
			s.Errorf("%v", err)
		}
		if _, _, tags := s.reg.Stored("app"); tags != 0 {
			s.Error("there is a tag")
		}
		before := len(s.reg.Requests("PATCH", ""))
		if err := s.pushPass(im, opts); err != nil {
			s.Fatal(err)
		}
		s.checkImage("app", "1", im)
		if n := len(s.reg.Requests("PATCH", "")) - before; n != 1 {
			s.Errorf("%d layers were sent the second time", n)
		}
	})
}

// A layer that goes to two repositories cannot be taken from a stream.
func TestStreamInOrder(t *testing.T) {
	onSite(t, func(s *site) {
		shared := plain(1, large)
		p, images := s.pass(savedImage{label: "a", layers: []fakeregistry.Layer{shared}},
			savedImage{label: "b", layers: []fakeregistry.Layer{shared, plain(2, large)}})
		first, second, same := s.to("app:1"), s.to("other:1"), s.to("app:2")
		first.Saved, second.Saved, same.Saved = images[0], images[1], images[1]
		if err := upload.InOrder([]upload.Target{first, second}, p); err == nil ||
			!strings.Contains(err.Error(), "more than once") {
			s.Errorf("%v", err)
		}
		if err := upload.InOrder([]upload.Target{first, same}, p); err != nil {
			s.Error(err)
		}
		for i, r := range s.push(upload.Options{Stream: p}, first, same) {
			if r.Err != nil {
				s.Errorf("%d: %v", i, r.Err)
			}
		}
	})
}

// When the stream ends otherwise than it should, nothing refers to what has been pushed.
func TestStreamEndsBadly(t *testing.T) {
	onSite(t, func(s *site) {
		p, images := s.pass(savedImage{layers: []fakeregistry.Layer{plain(1, large)}})
		target := s.to("app:1")
		target.Saved = images[0]
		results := s.push(upload.Options{Stream: badEnd{p}}, target)
		if !errors.Is(results[0].Err, registry.ErrIntegrity) {
			s.Errorf("%v", results[0].Err)
		}
		if blobs, manifests, _ := s.reg.Stored("app"); blobs != 2 || manifests != 0 {
			s.Errorf("%d blobs, %d manifests", blobs, manifests)
		}
	})
}

// badEnd is a stream that turns out damaged at its end.
type badEnd struct{ *dockerarchive.Pass }

func (b badEnd) Next(ctx context.Context) (string, error) {
	name, err := b.Pass.Next(ctx)
	if errors.Is(err, io.EOF) {
		err = registry.ErrIntegrity
	}
	return name, err
}
