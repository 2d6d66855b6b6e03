package registry

import (
	"errors"
	"net/http"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/fakeregistry"
)

// Questions that registries in public reports refuse or answer wrongly. What they hold moves all the same.
func TestWild07Reports(t *testing.T) {
	html := fakeregistry.Header("Content-Type", "text/html; charset=utf-8",
		"Docker-Distribution-Api-Version", "registry/2.0")
	for report, tc := range map[string]struct {
		match fakeregistry.Match
		fault fakeregistry.Fault
	}{
		"google/go-containerregistry#1691": {fakeregistry.Match{Method: "HEAD"}, fakeregistry.Status(403)},
		"oras-project/oras-go#882":         {fakeregistry.Match{Method: "HEAD"}, fakeregistry.Status(405)},
		"google/neuroglancer#704":          {fakeregistry.Match{Method: "HEAD"}, fakeregistry.Status(501)},
		"artifact-keeper#3605":             {fakeregistry.Match{Method: "HEAD"}, fakeregistry.Status(404)},
		"containerd/containerd#5124":       {fakeregistry.Match{}, fakeregistry.Header("Content-Length", "")},
		"containerd/containerd#3110": {fakeregistry.Match{Method: "HEAD"},
			fakeregistry.Header("Content-Length", "", "Docker-Content-Digest", "")},
		"google/go-containerregistry#1061": {fakeregistry.Match{}, html},
		"moby/moby#22378":                  {fakeregistry.Match{Path: "/blobs/"}, html},
		"moby/moby#19400": {fakeregistry.Match{},
			fakeregistry.Header("Content-Type", "application/json")},
		"no type at all": {fakeregistry.Match{}, fakeregistry.Header("Content-Type", "")},
	} {
		t.Run(report, func(t *testing.T) {
			inBubble(t, func(w *world) {
				want := w.reg.PutImage("app", "1", oneLayer)
				content := noise(1000)
				d := w.reg.PutBlob("app", content)
				w.reg.On(tc.match, tc.fault)
				got, _, err := w.repo("app").Resolve(w.Context(), "1")
				if err != nil || got.Digest != want.Digest {
					w.Errorf("manifest %s, %v", got.Digest, err)
				}
				if got, err := w.repo("app").Digest(w.Context(), "1"); report != "artifact-keeper#3605" &&
					(err != nil || got != want.Digest) {
					w.Errorf("digest %s, %v", got, err)
				}
				if got, err := w.fetchBlob(d); err != nil || len(got) != len(content) {
					w.Errorf("blob of %d bytes, %v", len(got), err)
				}
				if got, err := w.repo("app").Stat(w.Context(), d.Digest); report != "containerd/containerd#5124" &&
					(err != nil || got.Size != d.Size) {
					w.Errorf("size %d, %v", got.Size, err)
				}
				if err := w.repo("app").Pusher().Push(w.Context(), d, memory(content), PushOptions{}); err != nil {
					w.Error(err)
				}
			})
		})
	}
}

// What is there is not sent again, whatever its type is called.
func TestWild07TypeOfBlobDoesNotMatter(t *testing.T) {
	inBubble(t, func(w *world) {
		content := noise(1000)
		d := w.reg.PutBlob("app", content)
		w.reg.On(fakeregistry.Match{}, fakeregistry.Header("Content-Type", "text/html",
			"Docker-Distribution-Api-Version", "registry/2.0"))
		err := w.repo("app").Pusher().Push(w.Context(), d, memory(content), PushOptions{})
		if sent := len(w.reg.Requests("POST", "")); err != nil || sent > 0 {
			w.Errorf("%d uploads, %v", sent, err)
		}
	})
}

// Registries without the referrers API say so in many ways.
func TestWild28ReferrersReports(t *testing.T) {
	for report, fault := range map[string]fakeregistry.Fault{
		"google/go-containerregistry#1962": fakeregistry.Status(406),
		"goharbor/harbor#18305":            fakeregistry.Status(401),
		"google/go-containerregistry#1647": fakeregistry.Status(404),
		"sigstore/sigstore-js#1187":        fakeregistry.Page(),
		"an empty answer":                  fakeregistry.Status(204),
	} {
		t.Run(report, func(t *testing.T) {
			inBubble(t, func(w *world) {
				image := w.reg.PutImage("app", "1", oneLayer)
				w.reg.On(fakeregistry.Match{Path: "/referrers/"}, fault)
				if all, err := w.repo("app").Referrers(w.Context(), image.Digest); err != nil || len(all) > 0 {
					w.Errorf("%d, %v", len(all), err)
				}
			})
		})
	}
}

// GitLab takes the tag of referrers for the digest that it looks like (oras-project/oras-go#1396). The
// children of an index are not what refers to it.
func TestWild28TagTakenForDigest(t *testing.T) {
	inBubble(t, func(w *world) {
		index := []byte(`{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageIndex + `","manifests":[{"size":2,` +
			`"mediaType":"` + v1.MediaTypeImageManifest + `",` +
			`"digest":"` + describe([]byte("{}")).Digest.String() + `"}]}`)
		d := w.reg.PutManifest("app", "1", v1.MediaTypeImageIndex, index)
		w.reg.On(fakeregistry.Match{Path: "/referrers/"}, fakeregistry.Status(404))
		w.reg.On(fakeregistry.Match{Path: "/manifests/" + ReferrersTag(d.Digest)},
			fakeregistry.Answer(200, string(index), "Content-Type", v1.MediaTypeImageIndex))
		if all, err := w.repo("app").Referrers(w.Context(), d.Digest); err != nil || len(all) > 0 {
			w.Errorf("%d, %v", len(all), err)
		}
	})
}

// Rate limits and passing faults of public reports, for whatever is asked.
func TestWild49Reports(t *testing.T) {
	past := "Thu, 01 Jan 1970 00:00:00 GMT"
	limited := `{"errors":[{"code":"TOOMANYREQUESTS","message":"retry-after: 985µs, allowed: 44000/minute"}]}`
	for report, fault := range map[string]fakeregistry.Fault{
		"containerd/containerd#10447":          fakeregistry.Answer(429, limited, "Retry-After", "985µs"),
		"docker/build-push-action#1194":        fakeregistry.Status(429),
		"containers/image#618":                 fakeregistry.Answer(429, "", "Retry-After", "-1"),
		"docker/buildx#3630":                   fakeregistry.Answer(429, "", "Retry-After", "1.5"),
		"openshift/oc-mirror#1505":             fakeregistry.Answer(429, "<html>", "Content-Type", "text/html"),
		"seqeralabs/wave#610":                  fakeregistry.Answer(403, "request rate limit exceeded"),
		"containers/common#2299":               fakeregistry.Answer(502, "<html>", "Content-Type", "text/html"),
		"concourse/registry-image-resource#55": fakeregistry.Status(504),
		"docker/build-push-action#1028":        fakeregistry.Answer(504, "", "Retry-After", past),
		"konflux-ci/build-definitions#2100":    fakeregistry.Status(502),
		"google/go-containerregistry#1707":     fakeregistry.Status(520),
		"fluxcd/flux2#1713, a code with 404":   fakeregistry.Answer(404, limited),
		"words in the message":                 fakeregistry.Answer(400, `{"error":"x","message":"Too Many Requests"}`),
	} {
		t.Run(report, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.reg.PutImage("app", "1", oneLayer)
				content := noise(1000)
				raw := []byte(`{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageIndex + `","manifests":[]}`)
				for _, m := range []string{"GET", "POST", "PUT"} {
					w.reg.On(fakeregistry.Match{Method: m, Count: 2}, fault)
				}
				began := time.Now()
				if _, err := w.repo("app").Tags(w.Context()); err != nil {
					w.Errorf("tags: %v", err)
				}
				if err := w.repo("app").Pusher().Push(w.Context(), describe(content), memory(content),
					PushOptions{}); err != nil {
					w.Errorf("blob: %v", err)
				}
				w.reg.On(fakeregistry.Match{Method: "PUT", Path: "/manifests/", Count: 2}, fault)
				err := w.repo("app").Pusher().PutManifest(w.Context(), "2", v1.MediaTypeImageIndex, raw)
				if err != nil || time.Since(began) > time.Minute {
					w.Errorf("manifest: %v after %s", err, time.Since(began))
				}
			})
		})
	}
}

// A mirror that promises a blob and gives nothing of it is left for the registry
// (containerd/containerd#9552).
func TestWild50MirrorGivesNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		mirror := w.mirrored("registry.test")
		content := noise(1000)
		d := w.reg.PutBlob("app", content)
		mirror.PutBlob("app", content)
		mirror.On(fakeregistry.Match{Path: "/blobs/"}, fakeregistry.Cut(0))
		if got, err := w.fetchBlob(d); err != nil || len(got) != len(content) {
			w.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

// Answers of token servers in public reports.
func TestWild05Reports(t *testing.T) {
	for report, body := range map[string]string{
		"Katello/katello#10768":           `{"token":"T","expires_at":"x","issued_at":"2023-10-13 12:00:00 UTC"}`,
		"oras-project/rust-oci-client#6":  `{"token":"T"}`,
		"distribution/distribution#1746":  `{"token":"T","expires_in":"300"}`,
		"apple/containerization#919":      `{"token":"T","expires_in":null,"issued_at":null}`,
		"only access_token, a float":      `{"access_token":"T","expires_in":299.9}`,
		"negative, a number as issued_at": `{"access_token":"T","token":"","expires_in":-1,"issued_at":17}`,
	} {
		t.Run(report, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.reg.PutImage("app", "1", oneLayer)
				auth := http.NewServeMux()
				auth.HandleFunc("/token", func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte(body)) })
				w.serve("auth.test:80", auth)
				stranger := func(req *http.Request) bool { return req.Header.Get("Authorization") != "Bearer T" }
				w.reg.On(fakeregistry.Match{Func: stranger}, fakeregistry.Status(401,
					"WWW-Authenticate", "Negotiate", "WWW-Authenticate", `Bearer realm="http://auth.test/token"`))
				if err := w.resolve("app"); err != nil || errors.Is(err, ErrDenied) {
					w.Error(err)
				}
			})
		})
	}
}
