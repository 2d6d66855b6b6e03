package registry

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
)

var oneLayer = fakeregistry.Image{Layers: []fakeregistry.Layer{
	fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"hello": "world"})),
}}

// Without every type in Accept a registry hides or converts what it has.
func TestResolveAcceptsEveryType(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		if _, _, err := w.repo("app").Resolve(w.Context(), "1"); err != nil {
			w.Fatal(err)
		}
		if _, err := w.repo("app").Digest(w.Context(), "1"); err != nil {
			w.Fatal(err)
		}
		want := []string{v1.MediaTypeImageIndex, v1.MediaTypeImageManifest, image.DockerManifestList,
			image.DockerManifest, image.Schema1Signed, image.Schema1, image.OCIArtifact, image.ORASArtifact}
		for _, e := range w.reg.Requests("", "/manifests/") {
			if diff := cmp.Diff(want, e.Header["Accept"]); diff != "" {
				w.Errorf("%s: %s", e.Method, diff)
			}
			if got := e.Header.Get("Accept-Encoding"); got != "identity" {
				w.Errorf("Accept-Encoding %q", got)
			}
		}
	})
}

func TestResolve(t *testing.T) {
	inBubble(t, func(w *world) {
		want := w.reg.PutImage("team/app", "1", oneLayer)
		want.Platform = nil
		for _, target := range []string{"1", want.Digest.String()} {
			got, raw, err := w.repo("team/app").Resolve(w.Context(), target)
			if err != nil {
				w.Fatalf("%s: %v", target, err)
			}
			if diff := cmp.Diff(want, got); diff != "" || digest.FromBytes(raw) != want.Digest {
				w.Errorf("%s: %s", target, diff)
			}
		}
		_, _, err := w.repo("team/app").Resolve(w.Context(), "2")
		var e *Error
		if !errors.Is(err, ErrNotFound) || !errors.As(err, &e) || e.Code != "MANIFEST_UNKNOWN" {
			w.Errorf("absent: %v", err)
		}
	})
}

// Our own hash decides, whatever the header says.
func TestResolveIgnoresDigestHeader(t *testing.T) {
	inBubble(t, func(w *world) {
		want := w.reg.PutImage("app", "1", oneLayer)
		for _, lie := range []string{"", digest.FromString("other").String(), "9f86d081884c7d65",
			"sha256:../../x"} {
			w.reg.Heal()
			w.reg.On(fakeregistry.Match{}, fakeregistry.Header("Docker-Content-Digest", lie))
			if got, _, err := w.repo("app").Resolve(w.Context(), "1"); err != nil || got.Digest != want.Digest {
				w.Errorf("header %q: %s, %v", lie, got.Digest, err)
			}
		}
	})
}

// A body that is not what the digest says is that kind of error, even if it is no JSON any more.
func TestResolveByDigestVerifies(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.reg.PutImage("app", "1", oneLayer)
		for name, fault := range map[string]fakeregistry.Fault{
			"other letter": fakeregistry.FlipByte(int64(strings.Index(string(w.reg.Manifest("app", d.Digest)),
				"mediaType"))),
			"no JSON": fakeregistry.FlipByte(0),
			"more":    fakeregistry.Extra("\n"),
			"less":    fakeregistry.Short(d.Size - 1),
			"empty":   fakeregistry.Short(0),
		} {
			w.reg.Heal()
			w.reg.On(fakeregistry.Match{}, fault)
			if _, _, err := w.repo("app").Resolve(w.Context(), d.Digest.String()); !errors.Is(err, ErrIntegrity) {
				w.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestResolveContentTypes(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.reg.PutImage("app", "1", oneLayer)
		bare := w.reg.PutManifest("app", "bare", v1.MediaTypeImageManifest,
			[]byte(strings.Replace(string(w.reg.Manifest("app", d.Digest)),
				`"mediaType":"`+v1.MediaTypeImageManifest+`",`, "", 1)))
		for _, tc := range []struct {
			tag, contentType string
			ok               bool
		}{
			{"1", v1.MediaTypeImageManifest, true},
			{"1", v1.MediaTypeImageManifest + "; charset=utf-8", true},
			{"1", "text/plain", true},
			{"1", "application/json", true},
			{"1", "", true},
			{"1", v1.MediaTypeImageIndex, false},
			{"1", image.DockerManifest, false},
			{"1", "text/html", true}, // with the headers of a registry
			{"bare", v1.MediaTypeImageManifest, true},
			{"bare", "text/plain", true},
			{"bare", v1.MediaTypeImageIndex, false},
		} {
			w.reg.Heal()
			w.reg.On(fakeregistry.Match{}, fakeregistry.Header("Content-Type", tc.contentType))
			got, _, err := w.repo("app").Resolve(w.Context(), tc.tag)
			if (err == nil) != tc.ok || tc.ok && got.MediaType != v1.MediaTypeImageManifest {
				w.Errorf("%s as %q: %+v, %v", tc.tag, tc.contentType, got, err)
			}
		}
		if bare.Digest == d.Digest {
			w.Error("the bare manifest has a media type")
		}
	})
}

func TestResolveRefuses(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutManifest("app", "page", v1.MediaTypeImageManifest, nil)
		w.reg.On(fakeregistry.Match{Path: "/page"}, fakeregistry.Page())
		for tag, tc := range map[string]struct{ mediaType, body, want string }{
			"huge":      {v1.MediaTypeImageManifest, `{"config":"` + strings.Repeat("x", 8<<20) + `"}`, "larger than"},
			"ambiguous": {v1.MediaTypeImageManifest, `{"manifests":[],"layers":[]}`, "ambiguous"},
			"escaping": {v1.MediaTypeImageManifest,
				`{"config":{"digest":"sha256:../../../etc/passwd","size":1},"layers":[]}`, "invalid digest"},
			"negative": {v1.MediaTypeImageManifest, `{"config":{"digest":"` + someDigest +
				`","size":-1},"layers":[]}`, "impossible size"},
			"no size": {v1.MediaTypeImageManifest, `{"config":{"digest":"` + someDigest + `"},"layers":[]}`,
				"has no size"},
			"no JSON": {v1.MediaTypeImageManifest, "hello", "not valid JSON"},
		} {
			w.reg.PutManifest("app", tag, tc.mediaType, []byte(tc.body))
			if _, _, err := w.repo("app").Resolve(w.Context(), tag); err == nil ||
				!strings.Contains(err.Error(), tc.want) {
				w.Errorf("%s: %v", tag, err)
			}
		}
		if _, _, err := w.repo("app").Resolve(w.Context(), "page"); err == nil ||
			!strings.Contains(err.Error(), "web page") {
			w.Errorf("page: %v", err)
		}
		if sent := w.reg.Sent("GET", "/manifests/huge"); sent > image.MaxManifestSize+1<<20 {
			w.Errorf("%d bytes of the huge manifest were taken", sent)
		}
	})
}

// A manifest that breaks off is asked for again like everything else.
func TestResolveSurvivesCut(t *testing.T) {
	inBubble(t, func(w *world) {
		want := w.reg.PutImage("app", "1", oneLayer)
		w.reg.On(fakeregistry.Match{Path: "/manifests/", Count: 2}, fakeregistry.Cut(100))
		if got, _, err := w.repo("app").Resolve(w.Context(), "1"); err != nil || got.Digest != want.Digest {
			w.Errorf("%s, %v", got.Digest, err)
		}
	})
}

func TestPutManifest(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.reg.PutImage("app", "old", oneLayer)
		raw := w.reg.Manifest("app", d.Digest)
		put := func(target string) int {
			w.reg.Reset()
			if err := w.repo("app").Pusher().PutManifest(w.Context(), target, d.MediaType, raw); err != nil {
				w.Errorf("%s: %v", target, err)
			}
			return len(w.reg.Requests("PUT", ""))
		}
		if n := put("old"); n != 0 {
			w.Errorf("a tag that has the manifest already: %d PUT", n)
		}
		if n := put(d.Digest.String()); n != 0 {
			w.Errorf("a digest that is there already: %d PUT", n)
		}
		if n := put("new"); n != 1 {
			w.Errorf("a new tag: %d PUT", n)
		}
		if got, _ := w.reg.Tag("app", "new"); got.Digest != d.Digest || got.MediaType != d.MediaType {
			w.Errorf("stored %+v", got)
		}
		w.reg.PutManifest("app", "moved", d.MediaType, []byte(`{"config":{"digest":"`+someDigest+`","size":1}}`))
		if n := put("moved"); n != 1 {
			w.Errorf("a tag of something else: %d PUT", n)
		}
		w.reg.On(fakeregistry.Match{Method: "HEAD"}, fakeregistry.Status(405))
		if n := put("old"); n != 0 {
			w.Errorf("without HEAD: %d PUT", n)
		}
		w.reg.Heal()
		w.reg.On(fakeregistry.Match{Method: "HEAD"}, fakeregistry.Header("Docker-Content-Digest", ""))
		if n := put("old"); n != 0 {
			w.Errorf("HEAD without a digest: %d PUT", n)
		}
	})
}

func TestPutManifestFails(t *testing.T) {
	inBubble(t, func(w *world) {
		raw := []byte(`{"config":{"digest":"` + someDigest + `","size":1},"layers":[]}`)
		put := func() error {
			return w.repo("app").Pusher().PutManifest(w.Context(), "1", v1.MediaTypeImageManifest, raw)
		}
		var e *Error
		if err := put(); !errors.As(err, &e) || e.Code != "MANIFEST_BLOB_UNKNOWN" {
			w.Errorf("without its blobs: %v", err)
		}
		lie := fakeregistry.Answer(201, "", "Docker-Content-Digest", digest.FromString("other").String())
		w.reg.On(fakeregistry.Match{Method: "PUT"}, lie)
		if err := put(); !errors.Is(err, ErrIntegrity) {
			w.Errorf("stored as something else: %v", err)
		}
		w.reg.Heal()
		w.reg.On(fakeregistry.Match{Method: "PUT"}, fakeregistry.Redirect(302, "http://registry.test/elsewhere"))
		if err := put(); err == nil {
			w.Error("a redirect is taken for success")
		}
	})
}
