package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
)

// artifactManifest puts in what notation and oras wrote for a time: blobs in place of configuration and
// layers.
func artifactManifest(
	t *testing.T, r *fakeregistry.Registry, mediaType string, subject v1.Descriptor,
) v1.Descriptor {
	t.Helper()
	blob := r.PutBlob("app", []byte("signature in "+mediaType))
	blob.MediaType = "application/jose+json"
	raw, err := json.Marshal(map[string]any{
		"mediaType": mediaType, "artifactType": "application/vnd.cncf.notary.signature",
		"blobs": []v1.Descriptor{blob}, "subject": subject,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.PutManifest("app", "", mediaType, raw)
}

func answerReferrers(r *fakeregistry.Registry, subject v1.Descriptor, body string) {
	r.On(fakeregistry.Match{Method: "GET", Path: "/referrers/" + subject.Digest.String()},
		fakeregistry.Answer(http.StatusOK, body, "Content-Type", v1.MediaTypeImageIndex))
	r.On(fakeregistry.Match{Method: "GET", Path: "/referrers/"}, fakeregistry.Answer(http.StatusOK,
		`{"schemaVersion":2,"mediaType":"`+v1.MediaTypeImageIndex+`","manifests":null}`,
		"Content-Type", v1.MediaTypeImageIndex))
}

func TestWild12ArtifactManifests(t *testing.T) {
	for _, mediaType := range []string{image.OCIArtifact, image.ORASArtifact} {
		t.Run(mediaType, func(t *testing.T) {
			reg, host := lookingRegistry(t)
			root := reg.PutImage("app", "1", fakeregistry.Image{
				Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
				Layers:   []fakeregistry.Layer{fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"a": "b"}))},
			})
			root = v1.Descriptor{MediaType: root.MediaType, Digest: root.Digest, Size: root.Size}
			signature := artifactManifest(t, reg, mediaType, root)
			list, err := json.Marshal(v1.Index{MediaType: v1.MediaTypeImageIndex,
				Manifests: []v1.Descriptor{signature}})
			if err != nil {
				t.Fatal(err)
			}
			answerReferrers(reg, root, string(list))
			raw := reg.Manifest("app", signature.Digest)
			dir := t.TempDir()
			layout, tar := filepath.Join(dir, "images"), filepath.Join(dir, "a.tar")
			for _, args := range [][]string{
				{"fetch", host + "/app:1", "-o", layout, "--referrers"},
				{"verify", layout},
				{"save", layout, "-o", tar, "--format", "oci", "--referrers"},
				{"verify", tar},
				{"inspect", tar},
				{"push", tar, host + "/fromtar/", "--referrers"},
				{"push", layout, host + "/fromlayout/", "--referrers"},
				{"save", host + "/app:1", "-o", filepath.Join(dir, "b.tar"), "--format", "oci", "--referrers"},
				{"save", layout, "-o", filepath.Join(dir, "c.tar")},
				{"inspect", host + "/app@" + signature.Digest.String()},
				{"manifest", host + "/app@" + signature.Digest.String()},
				{"push", layout, host + "/plain/"},
			} {
				if _, stderr, code := command(t, args...); code != 0 {
					t.Errorf("%s: exit %d: %s", strings.Join(args, " "), code, stderr)
				}
			}
			for _, repo := range []string{"fromtar/app", "fromlayout/app"} {
				if !bytes.Equal(reg.Manifest(repo, signature.Digest), raw) {
					t.Errorf("%s: the signature is not what it was", repo)
				}
			}
		})
	}
}

func TestWild28NullReferrers(t *testing.T) {
	for name, body := range map[string]string{
		"null":   `{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageIndex + `","manifests":null}`,
		"absent": `{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageIndex + `"}`,
		"untold": `{"schemaVersion":2,"manifests":null}`,
		"marked": "\xef\xbb\xbf" + `{"schemaVersion":2,"manifests":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			reg, host := lookingRegistry(t)
			root := reg.PutImage("app", "1", fakeregistry.Image{
				Platform: v1.Platform{OS: "linux", Architecture: "amd64"}})
			answerReferrers(reg, root, body)
			dir := t.TempDir()
			for _, args := range [][]string{
				{"fetch", host + "/app:1", "-o", filepath.Join(dir, "images"), "--referrers"},
				{"save", host + "/app:1", "-o", filepath.Join(dir, "a.tar"), "--format", "oci", "--referrers"},
				{"inspect", host + "/app:1", "--referrers"},
			} {
				if _, stderr, code := command(t, args...); code != 0 {
					t.Errorf("%s: exit %d: %s", strings.Join(args, " "), code, stderr)
				}
			}
		})
	}
}
