package upload_test

import (
	"net/http"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/upload"
)

// A registry that knows OCI's media types only gets them, below indexes too; configurations and layers stay.
func TestRegistryOfOneFamily(t *testing.T) {
	families := map[string]struct {
		refused string
		want    string
	}{
		"OCI only":    {"vnd.docker.", v1.MediaTypeImageManifest},
		"Docker only": {"vnd.oci.", image.DockerManifest},
	}
	for name, family := range families {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(s *site) {
				s.reg.On(fakeregistry.Match{Method: "PUT", Path: "/manifests/", Func: func(r *http.Request) bool {
					return strings.Contains(r.Header.Get("Content-Type"), family.refused)
				}}, fakeregistry.Answer(http.StatusUnsupportedMediaType,
					`{"errors":[{"code":"MANIFEST_INVALID","message":"not of my kind"}]}`))
				dir, root := s.layout(nested)
				whole, tar := s.to("team/whole:1"), s.to("team/saved:1")
				whole.Image = s.load(dir, root)
				im := savedImage{layers: []fakeregistry.Layer{plain(1, 1000)}}
				tar.Saved = s.saved(im)[0]
				results := s.good(upload.Options{}, whole, tar)
				if !results[0].Converted {
					s.Error("the conversion of the layout is not told")
				}
				if m := s.checkImage("team/saved", "1", im); m.MediaType != family.want ||
					results[1].Converted != (family.want != image.DockerManifest) {
					s.Errorf("the saved image is %s, converted %v", m.MediaType, results[1].Converted)
				}
				pulled, err := image.Open(s.Context(), s.to("team/whole").Repository, results[0].Descriptor,
					image.Selection{All: true})
				if err != nil {
					s.Fatal(err)
				}
				for _, n := range pulled.Graph.Manifests {
					if strings.Contains(n.Document.MediaType, family.refused) {
						s.Errorf("%s is stored", n.Document.MediaType)
					}
				}
				if got, want := len(pulled.Graph.Blobs), len(whole.Image.Graph.Blobs); got != want {
					s.Errorf("%d blobs, want %d", got, want)
				}
			})
		})
	}
}

// Who has verified a digest gets that digest or nothing.
func TestKeepDigests(t *testing.T) {
	onSite(t, func(s *site) {
		s.reg.On(fakeregistry.Match{Method: "PUT", Path: "/manifests/", Func: func(r *http.Request) bool {
			return strings.Contains(r.Header.Get("Content-Type"), "vnd.oci.")
		}}, fakeregistry.Answer(http.StatusUnsupportedMediaType,
			`{"errors":[{"code":"MANIFEST_INVALID","message":"not of my kind"}]}`))
		dir, root := s.layout(nested)
		target := s.to("team/app:1")
		target.Image = s.load(dir, root)
		results, err := upload.Push(s.Context(), []upload.Target{target}, upload.Options{KeepDigests: true})
		if err != nil || results[0].Err == nil || results[0].Converted {
			s.Error(err, results[0].Err, results[0].Converted)
		}
		if _, there := s.reg.Tag("team/app", "1"); there {
			s.Error("the tag is there")
		}
	})
}

// What the registry says it has, and has not when the manifest comes, is sent once more.
func TestPhantomBlobs(t *testing.T) {
	onSite(t, func(s *site) {
		s.reg.On(fakeregistry.Match{Method: "PUT", Path: "/manifests/1", Count: 1},
			fakeregistry.Answer(http.StatusNotFound,
				`{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown"}]}`))
		dir, root := s.layout(nested)
		target := s.to("team/app:1")
		target.Image = s.load(dir, root)
		s.good(upload.Options{}, target)
	})
	onSite(t, func(s *site) {
		s.reg.On(fakeregistry.Match{Method: "PUT", Path: "/manifests/1", Count: 1},
			fakeregistry.Answer(http.StatusNotFound,
				`{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown"}]}`))
		im := savedImage{layers: []fakeregistry.Layer{plain(1, 1000), plain(2, 1000)}}
		target := s.to("team/app:1")
		target.Saved = s.saved(im)[0]
		s.good(upload.Options{}, target)
		s.checkImage("team/app", "1", im)
		if n := len(s.reg.Requests("PUT", "/uploads/")); n != 6 {
			s.Errorf("%d blobs were sent, want each of three twice", n)
		}
	})
}

// Behind a proxy that limits the size of requests, blobs go in pieces; that is found out once.
func TestRequestsOfLimitedSize(t *testing.T) {
	onSite(t, func(s *site) {
		s.reg.On(fakeregistry.Match{Path: "/uploads/", Func: func(r *http.Request) bool {
			return r.ContentLength < 0 || r.ContentLength > 1_500_000
		}}, fakeregistry.Status(http.StatusRequestEntityTooLarge))
		im := savedImage{layers: []fakeregistry.Layer{plain(1, 9_000_000), plain(2, 1000)}}
		saved, whole := s.to("team/saved:1"), s.to("team/whole:1")
		saved.Saved = s.saved(im)[0]
		dir, root := s.layout(func(reg *fakeregistry.Registry) v1.Descriptor {
			return reg.PutImage("app", "", fakeregistry.Image{Platform: amd64,
				Layers: []fakeregistry.Layer{packed(3, 9_000_000), packed(4, 10)}})
		})
		whole.Image = s.load(dir, root)
		s.good(upload.Options{Jobs: 1}, saved, whole)
		s.checkImage("team/saved", "1", im)
		refused := 0
		for _, e := range s.reg.Requests("", "/uploads/") {
			if e.Status == http.StatusRequestEntityTooLarge {
				refused++
			}
		}
		if refused == 0 || refused > 8 {
			s.Errorf("%d requests were too large", refused)
		}
		if n := s.reg.OpenUploads(); n != 0 {
			s.Errorf("%d uploads are left open", n)
		}
	})
}

// A registry without the referrers API gets the tag that stands in for it, with every referrer once.
func TestReferrerTag(t *testing.T) {
	onSite(t, func(s *site) {
		var image v1.Descriptor
		dir, root := s.layout(func(reg *fakeregistry.Registry) v1.Descriptor {
			image = reg.PutImage("app", "", fakeregistry.Image{Platform: amd64,
				Layers: []fakeregistry.Layer{packed(1, 10)}})
			config := reg.PutBlob("app", []byte("{}"))
			config.MediaType = v1.MediaTypeEmptyJSON
			raw := []byte(`{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageManifest +
				`","artifactType":"application/sbom","config":{"mediaType":"` +
				v1.MediaTypeEmptyJSON + `","digest":"` + config.Digest.String() +
				`","size":2},"layers":[],"subject":{"mediaType":"` +
				image.MediaType + `","digest":"` + image.Digest.String() + `","size":1}}`)
			return reg.PutManifest("app", "", v1.MediaTypeImageManifest, raw)
		})
		for range 2 {
			target := s.to("team/app")
			target.Tag = ""
			target.Image = s.load(dir, root)
			s.good(upload.Options{}, target)
		}
		listed, err := s.to("team/app").Repository.Referrers(s.Context(), image.Digest)
		if err != nil || len(listed) != 1 || listed[0].Digest != root.Digest ||
			listed[0].ArtifactType != "application/sbom" {
			s.Errorf("referrers %+v, %v", listed, err)
		}
	})
}
