package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
)

// A HEAD that is refused, by the registry or by the storage that it redirects to, tells nothing of a blob.
// GET may tell; if it does not, the upload is tried.
func TestWild07HeadRefused(t *testing.T) {
	heads := fakeregistry.Match{Method: "HEAD", Path: "/blobs/"}
	questions := fakeregistry.Match{Path: "/blobs/sha256"}
	for _, status := range []int{400, 401, 403, 405, 406, 409, 410, 412, 416, 422, 451, 501} {
		for name, tc := range map[string]struct {
			match fakeregistry.Match
			there bool
			want  string
		}{
			"HEAD, there":          {heads, true, "GET"},
			"HEAD, absent":         {heads, false, "GET POST PUT"},
			"HEAD and GET, there":  {questions, true, "GET POST PUT"},
			"HEAD and GET, absent": {questions, false, "GET POST PUT"},
		} {
			want := tc.want
			if status == 401 { // GET would be refused like HEAD
				want = "POST PUT"
			}
			t.Run(fmt.Sprint(status, " ", name), func(t *testing.T) {
				inBubble(t, func(w *world) {
					content := noise(1000)
					if tc.there {
						w.reg.PutBlob("app", content)
					}
					w.reg.On(tc.match, fakeregistry.Status(status))
					err := w.repo("app").Pusher().Push(w.Context(), describe(content), memory(content), PushOptions{})
					if err != nil {
						w.Error(err)
					}
					w.stored(content)
					if got := sequence(w.reg); got != want {
						w.Errorf("%s, want %s", got, want)
					}
				})
			})
		}
	}
}

func TestWild07HeadRefusedByStorage(t *testing.T) {
	for _, there := range []bool{true, false} {
		inBubble(t, func(w *world) {
			storage := w.other("storage.test:80")
			content := noise(1000)
			w.secret()
			if there {
				storage.PutBlob("app", content)
			}
			authorized := func(req *http.Request) bool { return req.Header.Get("Authorization") != "" }
			w.reg.On(fakeregistry.Match{Path: "/blobs/sha256", Func: authorized},
				fakeregistry.Redirect(307, "http://storage.test/?signature=1"))
			storage.On(fakeregistry.Match{Method: "HEAD"}, fakeregistry.Status(403))
			if err := w.repo("app").Pusher().Push(w.Context(), describe(content), memory(content),
				PushOptions{}); err != nil {
				w.Error(err)
			}
			if n := len(w.reg.Requests("PUT", "")); (n == 0) != there {
				w.Errorf("there %t: %d PUT", there, n)
			}
			w.leak(storage)
		})
	}
}

// To ask how large a blob is means to want it: where HEAD fails, GET is tried.
func TestWild07SizeWithoutHead(t *testing.T) {
	for _, status := range []int{401, 403, 404, 405, 500, 503} {
		inBubble(t, func(w *world) {
			storage, content := w.other("storage.test:80"), noise(1000)
			d := storage.PutBlob("app", content)
			w.reg.On(fakeregistry.Match{Path: "/blobs/sha256"},
				fakeregistry.Redirect(307, "http://storage.test"))
			storage.On(fakeregistry.Match{Method: "HEAD"}, fakeregistry.Status(status))
			got, err := w.repo("app").Stat(w.Context(), d.Digest)
			if err != nil || got.Size != 1000 {
				w.Errorf("%d: %d bytes, %v", status, got.Size, err)
			}
		})
	}
}

// A web page is no blob, whatever its status.
func TestWild07WebPageIsNoBlob(t *testing.T) {
	inBubble(t, func(w *world) {
		content := noise(1000)
		w.reg.On(fakeregistry.Match{Path: "/blobs/sha256"},
			fakeregistry.Answer(200, "", "Content-Type", "text/html", "Transfer-Encoding", "chunked"))
		if err := w.repo("app").Pusher().Push(w.Context(), describe(content), memory(content),
			PushOptions{}); err != nil {
			w.Error(err)
		}
		w.stored(content)
	})
}

// A login that fails is a failure, and not a question that is refused: the password is not sent again.
func TestWild07FailedLoginIsFinal(t *testing.T) {
	bothWays(t, func(w *world, content []byte, push func(*opener) error) {
		tokens := w.tokenServer(&fakeregistry.Tokens{Users: map[string]string{"me": "secret"}})
		w.login(Credential{Username: "me", Password: "wrong"})
		if err := push(&opener{content: content}); !errors.Is(err, ErrDenied) {
			w.Error(err)
		}
		if n := len(tokens.Requests("", "")); n != 1 {
			w.Errorf("the password was sent %d times", n)
		}
		w.nothingStored()
	})
}

// What the upload itself is refused is said.
func TestWild07RefusedUploadIsSaid(t *testing.T) {
	bothWays(t, func(w *world, content []byte, push func(*opener) error) {
		w.reg.On(fakeregistry.Match{}, fakeregistry.Answer(403, `{"errors":[{"code":"DENIED","message":"read only"}]}`))
		var e *Error
		if err := push(&opener{content: content}); !errors.As(err, &e) || e.Method != "POST" || e.Code != "DENIED" {
			w.Error(err)
		}
	})
}

// The digest of a tag is asked with HEAD. Where that is refused, or tells none, the manifest tells.
func TestWild07DigestWithoutHead(t *testing.T) {
	for name, fault := range map[string]fakeregistry.Fault{
		"forbidden": fakeregistry.Status(403), "vulnerable": fakeregistry.Status(412),
		"not allowed": fakeregistry.Status(405), "not implemented": fakeregistry.Status(501),
		"no digest": fakeregistry.Header("Docker-Content-Digest", ""),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				d := w.reg.PutImage("app", "1", oneLayer)
				w.reg.On(fakeregistry.Match{Method: "HEAD"}, fault)
				if got, err := w.repo("app").Digest(w.Context(), "1"); got != d.Digest || err != nil {
					w.Errorf("%q, %v", got, err)
				}
				if got, err := w.repo("app").Digest(w.Context(), "2"); got != "" || err != nil {
					w.Errorf("absent: %q, %v", got, err)
				}
			})
		})
	}
}

// A registry that refuses its referrers API may keep referrers under the tag.
func TestWild07ReferrersRefused(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 405, 406, 410, 501} {
		inBubble(t, func(w *world) {
			subject := digest.FromString("subject")
			raw := `{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageIndex + `","manifests":[{"mediaType":"` +
				v1.MediaTypeImageManifest + `","digest":"` + someDigest + `","size":1}]}`
			w.reg.PutManifest("app", ReferrersTag(subject), v1.MediaTypeImageIndex, []byte(raw))
			w.reg.On(fakeregistry.Match{Path: "/referrers/"}, fakeregistry.Status(status))
			if got, err := w.repo("app").Referrers(w.Context(), subject); len(got) != 1 || err != nil {
				w.Errorf("%d: %v, %v", status, got, err)
			}
		})
	}
}

// Somebody else may store a manifest meanwhile: who is refused then looks.
func TestWild47ManifestIsThere(t *testing.T) {
	for _, status := range []int{400, 403, 404, 409, 412, 422} {
		inBubble(t, func(w *world) {
			d := w.reg.PutImage("app", "1", oneLayer)
			raw := w.reg.Manifest("app", d.Digest)
			w.reg.On(fakeregistry.Match{Method: "HEAD", Count: 1}, fakeregistry.Status(404)) // not yet
			w.reg.On(fakeregistry.Match{Method: "PUT"}, fakeregistry.Answer(status, "the tag is immutable"))
			if err := w.repo("app").Pusher().PutManifest(w.Context(), "1", d.MediaType, raw); err != nil {
				w.Errorf("%d: %v", status, err)
			}
			if err := w.repo("app").Pusher().PutManifest(w.Context(), "2", d.MediaType, raw); err == nil ||
				!strings.Contains(err.Error(), "immutable") {
				w.Errorf("%d, not there: %v", status, err)
			}
		})
	}
}

// Whatever a registry answers to the end of an upload: if it has the blob then, the upload is done.
func TestWild47RefusedEndOfUpload(t *testing.T) {
	for _, status := range []int{400, 403, 404, 409, 410, 412, 416, 422} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			bothWays(t, func(w *world, content []byte, push func(*opener) error) {
				w.reg.On(puts, func(http.Handler) http.Handler {
					return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
						w.reg.PutBlob("app", content) // by another upload
						fakeregistry.Status(status)(nil).ServeHTTP(rw, req)
					})
				})
				o := &opener{content: content}
				if err := push(o); err != nil || o.left.Load() != 0 {
					w.Errorf("%v, %d readers not closed", err, o.left.Load())
				}
				w.stored(content)
				if n := len(w.reg.Requests("PUT", "")); n != 1 {
					w.Errorf("%d PUT", n)
				}
			})
		})
	}
}

// If it does not have it, or its word was in doubt before, the refusal stands.
func TestWild47RefusedForGood(t *testing.T) {
	bothWays(t, func(w *world, content []byte, push func(*opener) error) {
		w.reg.On(puts, fakeregistry.Answer(409, "no"))
		var e *Error
		if err := push(&opener{content: content}); !errors.As(err, &e) || e.Status != 409 {
			w.Error(err)
		}
		w.nothingStored()
	})
	inBubble(t, func(w *world) {
		content := noise(1000)
		d := w.reg.PutBlob("app", content)
		w.reg.On(puts, fakeregistry.Status(409))
		err := w.repo("app").Pusher().Push(w.Context(), d, memory(content), PushOptions{Always: true})
		if !isStatus(err, 409) {
			w.Errorf("although it was to be sent: %v", err)
		}
	})
}

// A range that is refused is asked for as part of the whole.
func TestWild07RangeRefused(t *testing.T) {
	for _, status := range []int{400, 403, 405, 406, 412, 416, 417, 501} {
		inBubble(t, func(w *world) {
			content := noise(100_000)
			d := w.reg.PutBlob("app", content)
			ranged := func(req *http.Request) bool { return req.Header.Get("Range") != "" }
			w.reg.On(fakeregistry.Match{Func: ranged}, fakeregistry.Status(status))
			w.reg.On(fakeregistry.Match{Path: "/blobs/", Count: 1}, fakeregistry.Cut(50_000))
			if got, err := w.fetchBlob(d); err != nil || !bytes.Equal(got, content) {
				w.Errorf("%d: %d bytes, %v", status, len(got), err)
			}
			if _, err := w.repo("app").Open(w.Context(), d, 10, 10); !errors.Is(err, image.ErrNoRanges) {
				w.Errorf("%d: a part: %v", status, err)
			}
		})
	}
}

// A mirror that refuses a range may refuse everything: the registry itself is asked for the range.
func TestWild07RangeRefusedByMirror(t *testing.T) {
	inBubble(t, func(w *world) {
		content := noise(1000)
		d := w.reg.PutBlob("app", content)
		w.other("mirror.test:80").On(fakeregistry.Match{}, fakeregistry.Status(403))
		w.client.Endpoints = func(ref Reference) ([]Endpoint, error) {
			mirror := DefaultEndpoint("mirror.test")
			mirror.Mirror = true
			return []Endpoint{mirror, DefaultEndpoint(ref.Registry)}, nil
		}
		rc, err := w.repo("app").Open(w.Context(), d, 10, 10)
		if err != nil {
			w.Fatal(err)
		}
		defer rc.Close()
		if got, err := io.ReadAll(rc); err != nil || !bytes.Equal(got, content[10:20]) {
			w.Errorf("%d bytes, %v", len(got), err)
		}
	})
}
