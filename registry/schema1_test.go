package registry

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/fakeregistry"
	"drayage/internal/schema1test"
)

var oldImage = schema1test.Image{Name: "app", Tag: "1", Architecture: "amd64",
	Layers: []schema1test.Layer{{Blob: digest.FromString("a")}}}

// The signature goes, because the digest is not of it; Raw shows it.
func TestResolveSchema1(t *testing.T) {
	inBubble(t, func(w *world) {
		payload := oldImage.Payload()
		w.reg.PutManifest("bare", "1", image.Schema1, payload)
		want := w.reg.PutSchema1("app", "1", oldImage)
		for _, contentType := range []string{"", image.Schema1, image.Schema1Signed, "application/json",
			"text/plain; charset=utf-8"} {
			w.reg.Heal()
			if contentType != "" {
				w.reg.On(fakeregistry.Match{}, fakeregistry.Header("Content-Type", contentType))
			}
			for _, repo := range []string{"app", "bare"} {
				for _, target := range []string{"1", want.Digest.String()} {
					got, raw, err := w.repo(repo).Resolve(w.Context(), target)
					if err != nil {
						w.Errorf("%s:%s as %q: %v", repo, target, contentType, err)
					} else if diff := cmp.Diff(want, got); diff != "" || string(raw) != string(payload) {
						w.Errorf("%s:%s as %q: %s%s", repo, target, contentType, raw, diff)
					}
				}
			}
			got, raw, err := w.repo("app").Raw(w.Context(), "1")
			if err != nil || string(raw) != string(w.reg.Manifest("app", want.Digest)) || got.Digest != want.Digest ||
				got.Size != int64(len(raw)) {
				w.Errorf("raw as %q: %+v, %v: %s", contentType, got, err, raw)
			}
		}
	})
}

// What stands in the signed form and outside of what is signed must not pass for what a digest is of.
func TestResolveSchema1Verifies(t *testing.T) {
	inBubble(t, func(w *world) {
		signer := schema1test.NewSigner()
		payload := oldImage.Payload()
		signed := schema1test.Sign(payload, signer)
		schema2 := w.reg.PutImage("app", "2", oneLayer)
		content := w.reg.Manifest("app", schema2.Digest)
		for name, tc := range map[string]struct {
			target digest.Digest
			body   []byte
		}{
			"another image": {digest.FromBytes(payload),
				schema1test.Sign([]byte(strings.Replace(string(payload), "amd64", "arm64", 1)), signer)},
			"a changed payload": {digest.FromBytes(payload),
				[]byte(strings.Replace(string(signed), "amd64", "arm64", 1))},
			"the digest of the signed form":   {digest.FromBytes(signed), signed},
			"a signed form of something else": {schema2.Digest, schema1test.Sign(content, signer)},
			"a signature that cuts elsewhere": {digest.FromBytes(payload),
				[]byte(strings.Replace(string(signed), `"protected": "`, `"protected": "e30`, 1))},
			"signatures that are of two payloads": {digest.FromBytes(payload),
				[]byte(strings.Replace(string(signed), `"signatures": [`, `"signatures": [{"protected": "e30"},`, 1))},
		} {
			for _, contentType := range []string{image.Schema1Signed, image.Schema1, "text/plain"} {
				w.reg.Heal()
				w.reg.On(fakeregistry.Match{}, fakeregistry.Answer(200, string(tc.body), "Content-Type", contentType))
				if d, _, err := w.repo("app").Resolve(w.Context(), tc.target.String()); !errors.Is(err, ErrIntegrity) {
					w.Errorf("%s as %q: %+v, %v", name, contentType, d, err)
				}
				if d, _, err := w.repo("app").Raw(w.Context(), tc.target.String()); !errors.Is(err, ErrIntegrity) {
					w.Errorf("%s as %q, raw: %+v, %v", name, contentType, d, err)
				}
			}
		}
	})
}

// A manifest that is announced as one of another kind could be read in two ways.
func TestResolveSchema1Announced(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.reg.PutManifest("app", "1", image.Schema1, oldImage.Payload())
		for _, contentType := range []string{image.DockerManifest, image.DockerManifestList} {
			w.reg.Heal()
			w.reg.On(fakeregistry.Match{}, fakeregistry.Header("Content-Type", contentType))
			for _, target := range []string{"1", d.Digest.String()} {
				if got, _, err := w.repo("app").Resolve(w.Context(), target); err == nil {
					w.Errorf("%s as %q: %+v", target, contentType, got)
				}
			}
		}
	})
}
