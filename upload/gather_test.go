package upload_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/registry"
	"drayage/upload"
)

// thin is an image with layers. Those that stand in left are nowhere in its layout.
type thin struct {
	*site
	layers []fakeregistry.Layer
	root   v1.Descriptor
	dir    image.Source
	load   func() *image.Image
}

func (s *site) thin() *thin {
	t := &thin{site: s, layers: []fakeregistry.Layer{packed(1, 50_000), packed(2, 20_000), packed(3, 1000)}}
	dir, root := s.layout(func(reg *fakeregistry.Registry) v1.Descriptor {
		return reg.PutImage("app", "", fakeregistry.Image{Layers: t.layers})
	})
	t.root, t.dir = root, dir
	t.load = func() *image.Image { return s.load(dir, root) }
	return t
}

// target is the image on its way, without some of its layers.
func (t *thin) target(to string, left ...int) upload.Target {
	target, im := t.to(to), t.load()
	hidden := map[digest.Digest]bool{}
	for _, i := range left {
		d := image.Describe(v1.MediaTypeImageLayerGzip, t.layers[i].Content)
		hidden[d.Digest] = true
		im.Absent = append(im.Absent, image.Absent{Part: image.PartLayer, Descriptor: d, Reason: image.LeftOut})
	}
	im.Source = hiding{im.Source, hidden}
	target.Image = im
	return target
}

// hiding is a source without some blobs.
type hiding struct {
	image.Source
	hidden map[digest.Digest]bool
}

func (h hiding) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	if h.hidden[d.Digest] {
		return nil, errors.New("it was left out")
	}
	return h.Source.Open(ctx, d, offset, length)
}

// store has blobs to read from.
type store struct {
	*image.MemorySource
	err error
}

func storeOf(layers ...fakeregistry.Layer) store {
	s := store{&image.MemorySource{Content: map[digest.Digest][]byte{}}, nil}
	for _, l := range layers {
		s.Content[digest.FromBytes(l.Content)] = l.Content
	}
	return s
}

func (s store) Has(_ context.Context, d v1.Descriptor) (bool, error) {
	raw, ok := s.Content[d.Digest]
	return ok && int64(len(raw)) == d.Size, s.err
}

// gather has to find everything but the layers that are lost.
func (t *thin) gather(opts upload.Options, stores []upload.Store, targets []upload.Target, lost ...int) {
	t.Helper()
	got, err := upload.Gather(t.Context(), targets, opts, stores)
	if err != nil {
		t.Fatal(err)
	}
	var want []digest.Digest
	for _, i := range lost {
		want = append(want, digest.FromBytes(t.layers[i].Content))
	}
	slices.Sort(want)
	if found := slices.Sorted(maps.Keys(got)); !slices.Equal(found, want) {
		t.Fatalf("lost: %v, not %v", found, want)
	}
	if n := t.requests("PUT", "") + t.requests("PATCH", ""); n > 0 {
		t.Fatalf("%d bodies were sent before everything had been found", n)
	}
}

// arrived compares what is in a repository with the whole image.
func (t *thin) arrived(repo string) {
	t.Helper()
	if d, _ := t.reg.Tag(repo, "1"); d.Digest != t.root.Digest {
		t.Errorf("%s:1 is %s", repo, d.Digest)
	}
	for i, l := range t.layers {
		if d := digest.FromBytes(l.Content); string(t.reg.Blob(repo, d)) != string(l.Content) {
			t.Errorf("%s: layer %d is not there", repo, i)
		}
	}
}

func TestGatherWhatIsAtTheDestination(t *testing.T) {
	onSite(t, func(s *site) {
		th := s.thin()
		s.reg.PutBlob("app", th.layers[0].Content)
		s.reg.PutBlob("app", th.layers[1].Content)
		targets := []upload.Target{th.target("app:1", 0, 1)}
		th.gather(upload.Options{}, nil, targets)
		if n := len(targets[0].Image.Absent); n != 2 {
			s.Errorf("%d parts are absent", n)
		}
		s.good(upload.Options{}, targets...)
		th.arrived("app")
		if n := s.requests("PUT", "/uploads/"); n != 2 {
			s.Errorf("%d blobs were sent, not the top layer and the configuration", n)
		}
	})
}

func TestGatherWhatIsNowhere(t *testing.T) {
	onSite(t, func(s *site) {
		th := s.thin()
		s.reg.PutBlob("app", th.layers[0].Content)
		s.reg.PutBlob("app", th.layers[1].Content)
		short := fakeregistry.Header("Content-Length", "7") // a base that lies about sizes
		s.reg.On(fakeregistry.Match{Path: digestHex(th.layers[1].Content)}, short)
		stores, targets := []upload.Store{storeOf(th.layers[2])}, []upload.Target{th.target("app:1", 0, 1)}
		th.gather(upload.Options{}, stores, targets, 1)
		if n := s.requests("POST", ""); n != 1 { // whether the registry finds it by itself
			s.Errorf("%d uploads were begun", n)
		}
	})
}

func TestGatherMountsFromOtherRepositories(t *testing.T) {
	for name, prepare := range map[string]func(s *site, th *thin, opts *upload.Options) []upload.Target{
		"a base": func(s *site, th *thin, opts *upload.Options) []upload.Target {
			s.reg.PutBlob("old", th.layers[0].Content)
			opts.Bases = []upload.Base{{Repository: s.to("old:1").Repository}}
			return []upload.Target{th.target("app:1", 0)}
		},
		"another target": func(s *site, th *thin, _ *upload.Options) []upload.Target {
			s.reg.PutBlob("other", th.layers[0].Content)
			return []upload.Target{th.target("app:1", 0), th.target("other:1", 0)}
		},
		"an earlier run": func(s *site, th *thin, opts *upload.Options) []upload.Target {
			opts.CacheDir = s.TempDir()
			s.good(*opts, th.target("old:1"))
			s.reg.Reset()
			return []upload.Target{th.target("app:1", 0)}
		},
		"the registry finds it": func(s *site, th *thin, _ *upload.Options) []upload.Target {
			s.reg.Finding = true
			s.reg.PutBlob("somewhere", th.layers[0].Content)
			return []upload.Target{th.target("app:1", 0)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(s *site) {
				th, opts := s.thin(), upload.Options{}
				targets := prepare(s, th, &opts)
				th.gather(opts, nil, targets)
				s.good(opts, targets...)
				th.arrived("app")
				if asked, granted := s.mounts(); granted == 0 {
					s.Errorf("%d mounts, none granted", asked)
				}
				for _, e := range s.reg.Requests("PUT", "/app/blobs/uploads/") {
					if strings.Contains(e.Query, digestHex(th.layers[0].Content)) {
						s.Error("what could be mounted was sent")
					}
				}
			})
		})
	}
}

// A registry that mounts nothing gives the blob out, and it is sent.
func TestGatherWithoutMounts(t *testing.T) {
	onSite(t, func(s *site) {
		th := s.thin()
		s.reg.PutBlob("old", th.layers[0].Content)
		s.reg.On(fakeregistry.Match{Method: "POST", Func: func(r *httpRequest) bool {
			return r.URL.Query().Has("mount")
		}}, fakeregistry.Status(405))
		opts := upload.Options{Bases: []upload.Base{{Repository: s.to("old:1").Repository}}}
		targets := []upload.Target{th.target("app:1", 0)}
		th.gather(opts, nil, targets)
		s.good(opts, targets...)
		th.arrived("app")
	})
}

func TestGatherFromStores(t *testing.T) {
	onSite(t, func(s *site) {
		th := s.thin()
		targets := []upload.Target{th.target("app:1", 0, 1), th.target("copy/app:1", 0, 1)}
		s.reg.PutBlob("app", th.layers[0].Content)
		th.gather(upload.Options{}, []upload.Store{storeOf(th.layers[1])}, targets)
		s.good(upload.Options{}, targets...)
		th.arrived("app")
		th.arrived("copy/app")
	})
}

// What a store gives out is verified like everything else.
func TestGatherFromABadStore(t *testing.T) {
	onSite(t, func(s *site) {
		th := s.thin()
		bad := storeOf(th.layers[0])
		for d, raw := range bad.Content {
			bad.Content[d] = append([]byte{raw[0] ^ 1}, raw[1:]...)
		}
		whole := th.target("whole:1")
		targets := []upload.Target{th.target("app:1", 0), whole}
		th.gather(upload.Options{}, []upload.Store{bad}, targets)
		results := s.push(upload.Options{}, targets...)
		if !errors.Is(results[0].Err, image.ErrIntegrity) || results[1].Err != nil {
			s.Errorf("%v, %v", results[0].Err, results[1].Err)
		}
		if _, manifests, _ := s.reg.Stored("app"); manifests != 0 {
			s.Errorf("%d manifests are stored", manifests)
		}
	})
}

// A base that goes away between the search and the push: the image fails, its manifest is not stored, and
// others go on.
func TestGatheredBlobVanishes(t *testing.T) {
	onSite(t, func(s *site) {
		th := s.thin()
		d := s.reg.PutBlob("app", th.layers[0].Content)
		targets := []upload.Target{th.target("app:1", 0), th.target("other:1")}
		th.gather(upload.Options{}, nil, targets)
		s.reg.On(fakeregistry.Match{Path: "/app/blobs/" + d.Digest.String()}, fakeregistry.Status(404))
		results := s.push(upload.Options{}, targets...)
		if err := results[0].Err; err == nil || !strings.Contains(err.Error(), d.Digest.String()+": left out") {
			s.Errorf("the image whose base is gone: %v", err)
		}
		if results[1].Err != nil {
			s.Error(results[1].Err)
		}
		if _, manifests, tags := s.reg.Stored("app"); manifests+tags != 0 {
			s.Errorf("%d manifests and %d tags are stored", manifests, tags)
		}
		th.arrived("other")
	})
}

func TestGatherFailures(t *testing.T) {
	onSite(t, func(s *site) {
		th := s.thin()
		broken := storeOf()
		broken.err = errors.New("the disk is gone")
		targets := []upload.Target{th.target("app:1", 0)}
		stores := []upload.Store{broken}
		if _, err := upload.Gather(s.Context(), targets, upload.Options{}, stores); !errors.Is(err, broken.err) {
			s.Errorf("a store that fails: %v", err)
		}
		ctx, cancel := context.WithCancelCause(s.Context())
		stopped := errors.New("interrupted")
		s.reg.On(fakeregistry.Match{Method: "HEAD"}, fakeregistry.Call(func(*httpRequest) { cancel(stopped) }))
		if _, err := upload.Gather(ctx, targets, upload.Options{}, nil); !errors.Is(err, stopped) {
			s.Errorf("interrupted: %v", err)
		}
		s.reg.Heal()
		s.reg.RequireBasic("ann", "secret")
		_, err := upload.Gather(s.Context(), targets, upload.Options{}, nil)
		if !errors.Is(err, registry.ErrDenied) {
			s.Errorf("a registry that lets nobody in: %v", err)
		}
	})
}

// A registry that does not say how large a blob is is believed that it has the blob, as in any push.
func TestGatherWithoutSizes(t *testing.T) {
	onSite(t, func(s *site) {
		th := s.thin()
		d := s.reg.PutBlob("app", th.layers[0].Content)
		s.reg.On(fakeregistry.Match{Method: "HEAD", Path: d.Digest.String()},
			fakeregistry.Status(200, "Transfer-Encoding", "chunked"))
		targets := []upload.Target{th.target("app:1", 0)}
		th.gather(upload.Options{}, nil, targets)
		s.good(upload.Options{}, targets...)
		th.arrived("app")
	})
}
