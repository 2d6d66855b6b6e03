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
		"object": `{}`, "no object": "null", "nothing": "",
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

// Whatever a registry answers about referrers: the image travels with those that there are.
func TestWild28OddReferrers(t *testing.T) {
	for name, odd := range map[string]func(signature v1.Descriptor) fakeregistry.Fault{
		"a web page":            func(v1.Descriptor) fakeregistry.Fault { return fakeregistry.Page() },
		"forbidden":             func(v1.Descriptor) fakeregistry.Fault { return fakeregistry.Status(403) },
		"bad request":           func(v1.Descriptor) fakeregistry.Fault { return fakeregistry.Status(400) },
		"not allowed":           func(v1.Descriptor) fakeregistry.Fault { return fakeregistry.Status(405) },
		"not implemented":       func(v1.Descriptor) fakeregistry.Fault { return fakeregistry.Status(501) },
		"nothing":               func(v1.Descriptor) fakeregistry.Fault { return fakeregistry.Answer(200, "") },
		"listed, no type":       listed("", "%s"),
		"listed, plain JSON":    listed("application/json; charset=utf-8", "%s"),
		"listed, twice":         listed(v1.MediaTypeImageIndex, "%s,%s"),
		"listed, an empty Link": withLink("<>; rel=\"next\""),
	} {
		t.Run(name, func(t *testing.T) {
			reg, host := lookingRegistry(t)
			root := reg.PutImage("app", "1", fakeregistry.Image{
				Platform: v1.Platform{OS: "linux", Architecture: "amd64"}})
			signature := artifactManifest(t, reg, image.OCIArtifact,
				v1.Descriptor{MediaType: root.MediaType, Digest: root.Digest, Size: root.Size})
			reg.On(fakeregistry.Match{Path: "/referrers/" + root.Digest.String()}, odd(signature))
			dir := t.TempDir()
			layout := filepath.Join(dir, "images")
			for _, args := range [][]string{
				{"fetch", host + "/app:1", "-o", layout, "--referrers"},
				{"verify", layout},
				{"inspect", layout, "--referrers"},
				{"push", layout, host + "/copy/", "--referrers"},
				{"save", host + "/app:1", "-o", filepath.Join(dir, "a.tar"), "--format", "oci", "--referrers"},
				{"inspect", host + "/app:1", "--referrers"},
				{"digest", host + "/app:1"},
			} {
				if _, stderr, code := command(t, args...); code != 0 {
					t.Errorf("%s: exit %d: %s", strings.Join(args, " "), code, stderr)
				}
			}
			found := reg.Manifest("copy/app", signature.Digest) != nil
			if found != strings.HasPrefix(name, "listed") {
				t.Errorf("the signature has come: %v", found)
			}
		})
	}
}

// listed answers with an index whose manifests are what form makes of the descriptor.
func listed(mediaType, form string) func(v1.Descriptor) fakeregistry.Fault {
	return func(d v1.Descriptor) fakeregistry.Fault {
		raw, err := json.Marshal(d)
		if err != nil {
			panic(err)
		}
		list := strings.ReplaceAll(form, "%s", string(raw))
		return fakeregistry.Answer(200, `{"schemaVersion":2,"manifests":[`+list+`]}`, "Content-Type", mediaType)
	}
}

func withLink(link string) func(v1.Descriptor) fakeregistry.Fault {
	return func(d v1.Descriptor) fakeregistry.Fault {
		return func(next http.Handler) http.Handler {
			return fakeregistry.Header("Link", link)(listed(v1.MediaTypeImageIndex, "%s")(d)(next))
		}
	}
}
