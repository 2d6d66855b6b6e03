package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
)

var (
	puts    = fakeregistry.Match{Method: "PUT", Path: "/blobs/uploads/"}
	patches = fakeregistry.Match{Method: "PATCH"}
	once    = func(m fakeregistry.Match) fakeregistry.Match { m.Count = 1; return m }
)

// sequence is what was done, without HEAD.
func sequence(reg *fakeregistry.Registry) string {
	var all []string
	for _, e := range reg.Requests("", "") {
		if e.Method != "HEAD" {
			all = append(all, e.Method)
		}
	}
	return strings.Join(all, " ")
}

// opener is the source of a blob or stream, and counts the readers that have not been closed.
type opener struct {
	content []byte
	claimed []byte        // what the descriptor is of, if not of content
	err     error         // at the end instead of io.EOF
	late    time.Duration // before the first byte
	left    atomic.Int32
	opened  atomic.Int32
}

func (o *opener) open() (io.ReadCloser, error) {
	o.left.Add(1)
	o.opened.Add(1)
	var r io.Reader = bytes.NewReader(o.content)
	if o.err != nil {
		r = io.MultiReader(r, failing{o.err})
	}
	return &closer{Reader: &lateReader{Reader: r, late: o.late}, opener: o}, nil
}

// lateReader takes its time.
type lateReader struct {
	io.Reader
	late time.Duration
}

func (r *lateReader) Read(p []byte) (int, error) {
	time.Sleep(r.late)
	r.late = 0
	return r.Reader.Read(p)
}

func (o *opener) Open(_ context.Context, _ v1.Descriptor, offset, _ int64) (io.ReadCloser, error) {
	rc, err := o.open()
	io.CopyN(io.Discard, rc, offset)
	return rc, err
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type closer struct {
	io.Reader
	opener *opener
	closed bool
}

func (c *closer) Close() error {
	if !c.closed {
		c.closed = true
		c.opener.left.Add(-1)
	}
	return nil
}

// bothWays pushes content as a blob that is known and as a stream.
func bothWays(t *testing.T, f func(w *world, content []byte, push func(*opener) error)) {
	content := noise(300_000)
	t.Run("blob", func(t *testing.T) {
		inBubble(t, func(w *world) {
			f(w, content, func(o *opener) error {
				if o.claimed == nil {
					o.claimed = o.content
				}
				return w.repo("app").Pusher().Push(w.Context(), describe(o.claimed), o, PushOptions{})
			})
		})
	})
	t.Run("stream", func(t *testing.T) {
		inBubble(t, func(w *world) {
			f(w, content, func(o *opener) error {
				d, err := w.repo("app").Pusher().PushStream(w.Context(), "some/type", o.open, PushOptions{})
				if want := (v1.Descriptor{MediaType: "some/type", Digest: digest.FromBytes(o.content),
					Size: int64(len(o.content))}); err == nil && !cmp.Equal(d, want) {
					w.Errorf("%+v, want %+v", d, want)
				}
				return err
			})
		})
	})
}

func (w *world) stored(content []byte) {
	w.Helper()
	if got := w.reg.Blob("app", digest.FromBytes(content)); !bytes.Equal(got, content) {
		w.Errorf("%d bytes are stored, want %d", len(got), len(content))
	}
	if n := w.reg.OpenUploads(); n != 0 {
		w.Errorf("%d uploads are left open", n)
	}
}

func (w *world) nothingStored() {
	w.Helper()
	if blobs, manifests, tags := w.reg.Stored("app"); blobs+manifests+tags != 0 {
		w.Errorf("%d blobs, %d manifests, %d tags are stored", blobs, manifests, tags)
	}
	if n := w.reg.OpenUploads(); n != 0 {
		w.Errorf("%d uploads are left open", n)
	}
}

func TestPush(t *testing.T) {
	bothWays(t, func(w *world, content []byte, push func(*opener) error) {
		if err := push(&opener{content: content}); err != nil {
			w.Error(err)
		}
		w.stored(content)
		if n := w.reg.Received("", ""); n != int64(len(content)) {
			w.Errorf("%d bytes were sent, want %d", n, len(content))
		}
		if got := sequence(w.reg); got != "POST PUT" && got != "POST PATCH PUT" {
			w.Errorf("requests: %s", got)
		}
	})
}

func TestPushEmpty(t *testing.T) {
	bothWays(t, func(w *world, _ []byte, push func(*opener) error) {
		if err := push(&opener{}); err != nil {
			w.Error(err)
		}
		if ok, err := w.repo("app").Exists(w.Context(), describe(nil)); !ok || err != nil {
			w.Errorf("stored: %v, %v", ok, err)
		}
	})
}

func TestPushSkipsWhatIsThere(t *testing.T) {
	inBubble(t, func(w *world) {
		content := noise(1000)
		d := w.reg.PutBlob("app", content)
		var held int64
		o := &opener{content: content}
		if err := w.repo("app").Pusher().Push(w.Context(), d, o,
			PushOptions{Progress: func(n int64) { held = n }}); err != nil {
			w.Error(err)
		}
		if got := sequence(w.reg); got != "" || o.opened.Load() != 0 || held != d.Size {
			w.Errorf("requests %q, opened %d times, %d bytes reported", got, o.opened.Load(), held)
		}
	})
}

// The address that an upload goes on at comes in many forms, and its query is used as it is.
func TestUploadLocation(t *testing.T) {
	bare := func(path string) string { _, rest, _ := strings.Cut(path, "/uploads/"); return rest }
	for name, location := range map[string]func(*http.Request, string) string{
		"path":           func(_ *http.Request, path string) string { return path },
		"absolute":       func(_ *http.Request, path string) string { return "http://registry.test" + path },
		"with port":      func(_ *http.Request, path string) string { return "http://registry.test:80" + path },
		"without scheme": func(_ *http.Request, path string) string { return "//registry.test" + path },
		"climbing": func(_ *http.Request, path string) string {
			return "/v2/../v2/" +
				strings.TrimPrefix(path, "/v2/")
		},
		"relative to POST": func(req *http.Request, path string) string { return bare(path) },
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(w *world, content []byte, push func(*opener) error) {
				w.reg.Location = location
				if err := push(&opener{content: content}); err != nil {
					w.Error(err)
				}
				w.stored(content)
			})
		})
	}
}

func TestUploadLocationMissing(t *testing.T) {
	for _, location := range []string{"", "http://[::1", "mailto:me"} {
		bothWays(t, func(w *world, content []byte, push func(*opener) error) {
			w.reg.On(fakeregistry.Match{Method: "POST"}, fakeregistry.Early(202, "Location", location))
			w.refused("push", "", func() error { return push(&opener{content: content}) })
			w.nothingStored()
		})
	}
}

// Behind a proxy that speaks TLS, registries name addresses without it.
func TestUploadLocationOfProxiedRegistry(t *testing.T) {
	bothWays(t, func(w *world, content []byte, push func(*opener) error) {
		w.client.PlainHTTP = false
		w.serveTLS("registry.test:443", w.reg)
		w.reg.Location = func(_ *http.Request, path string) string { return "http://registry.test" + path }
		if err := push(&opener{content: content}); err != nil {
			w.Error(err)
		}
		w.stored(content)
	})
}

func TestMount(t *testing.T) {
	content := noise(1000)
	for name, tc := range map[string]struct {
		fault fakeregistry.Fault
		from  string
		want  string // requests
	}{
		"done":          {nil, "base", "POST"},
		"not there":     {nil, "other", "POST DELETE POST PUT"},
		"not asked for": {nil, "", "POST PUT"},
		"session instead": {fakeregistry.Call(func(req *http.Request) { req.URL.RawQuery = "" }), "base",
			"POST DELETE POST PUT"},
		"unauthorized": {fakeregistry.Status(401), "base", "POST POST PUT"},
		"forbidden":    {fakeregistry.Status(403), "base", "POST POST PUT"},
		"not found":    {fakeregistry.Status(404), "base", "POST POST PUT"},
		"not allowed":  {fakeregistry.Status(405), "base", "POST POST PUT"},
		"bad request":  {fakeregistry.Status(400), "base", "POST POST PUT"},
		"server error": {fakeregistry.Status(500), "base", "POST POST PUT"},
		"broken":       {fakeregistry.CutBody(0), "base", "POST POST PUT"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				d := w.reg.PutBlob("base", content)
				if tc.fault != nil {
					w.reg.On(fakeregistry.Match{Method: "POST", Count: 1}, tc.fault)
				}
				var held int64
				opts := PushOptions{From: tc.from, Progress: func(n int64) { held = n }}
				if err := w.repo("app").Pusher().Push(w.Context(), d, memory(content), opts); err != nil {
					w.Error(err)
				}
				w.stored(content)
				if got := sequence(w.reg); got != tc.want || held != d.Size {
					w.Errorf("requests %q, want %q; %d bytes reported", got, tc.want, held)
				}
			})
		})
	}
}

// Whatever breaks an upload, it begins again, ends well, and leaves nothing behind.
func TestUploadRecovers(t *testing.T) {
	for name, break_ := range map[string]func(*world){
		"body cut": func(w *world) {
			w.reg.On(once(puts), fakeregistry.CutBody(100_000))
			w.reg.On(once(patches), fakeregistry.CutBody(100_000))
		},
		"body cut three times": func(w *world) {
			puts, patches := puts, patches
			puts.Count, patches.Count = 3, 3
			w.reg.On(puts, fakeregistry.CutBody(100_000))
			w.reg.On(patches, fakeregistry.CutBody(1))
		},
		"unavailable": func(w *world) {
			w.reg.On(fakeregistry.Match{Path: "/uploads/", Count: 3},
				fakeregistry.Status(503))
		},
		"told to wait": func(w *world) {
			w.reg.On(fakeregistry.Match{Path: "/uploads/upload-1", Count: 1},
				fakeregistry.Status(429, "Retry-After", "90"))
		},
		"session forgotten": func(w *world) {
			w.reg.On(fakeregistry.Match{Path: "/uploads/upload-1", Count: 1},
				w.reg.Forget())
		},
		"session forgotten before the commit": func(w *world) {
			w.reg.On(once(puts), w.reg.Forget())
		},
		"answer lost":          func(w *world) { w.reg.On(once(puts), fakeregistry.LoseAnswer()) },
		"answer to PATCH lost": func(w *world) { w.reg.On(once(patches), fakeregistry.LoseAnswer()) },
		"answered early": func(w *world) {
			w.reg.On(once(patches), fakeregistry.Early(202, "Location", "/v2/app/blobs/uploads/upload-1"))
		},
		"refused early": func(w *world) {
			w.reg.On(fakeregistry.Match{Path: "/uploads/upload-1", Count: 1}, fakeregistry.Early(503))
		},
		"stalled": func(w *world) {
			w.reg.On(fakeregistry.Match{Path: "/uploads/upload-1", Count: 1}, fakeregistry.Delay(time.Hour))
		},
		"token revoked": func(w *world) {
			tokens := w.tokenServer(&fakeregistry.Tokens{Life: time.Hour})
			w.reg.On(fakeregistry.Match{Path: "/uploads/upload-1", Count: 1},
				fakeregistry.Call(func(*http.Request) { tokens.Revoke() }))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(w *world, content []byte, push func(*opener) error) {
				break_(w)
				o := &opener{content: content}
				if err := push(o); err != nil {
					w.Error(err)
				}
				w.Log(sequence(w.reg))
				if got := w.reg.Blob("app", digest.FromBytes(content)); !bytes.Equal(got, content) {
					w.Errorf("%d bytes are stored", len(got))
				}
				if n := w.reg.OpenUploads(); n > 1 && name != "body cut three times" || n > 4 {
					w.Errorf("%d uploads are left open", n)
				}
				if n := o.left.Load(); n != 0 {
					w.Errorf("%d readers were not closed", n)
				}
			})
		})
	}
}

// A source that is not what its descriptor says stores nothing, even in a registry that would believe it.
func TestPushCorrupt(t *testing.T) {
	for _, size := range []int{10, 4096, 65_536, 300_000} {
		content := noise(size)
		flipped := bytes.Clone(content)
		flipped[size/2] ^= 1
		for name, bad := range map[string][]byte{"flipped": flipped, "shorter": content[:size-1],
			"longer": append(bytes.Clone(content), 'x'), "empty": nil} {
			t.Run(fmt.Sprintf("%s, %d", name, size), func(t *testing.T) {
				inBubble(t, func(w *world) {
					w.reg.Trusting = true
					o := &opener{content: bad}
					err := w.repo("app").Pusher().Push(w.Context(), describe(content), o, PushOptions{})
					if !errors.Is(err, ErrIntegrity) {
						w.Errorf("error %v", err)
					}
					w.nothingStored()
					if n := len(w.reg.Requests("PUT", "")); n > 1 || o.left.Load() != 0 {
						w.Errorf("%d PUT, %d readers not closed", n, o.left.Load())
					}
				})
			})
		}
	}
}

// The error of a source is passed on as it is, and the upload is dropped.
func TestPushSourceFails(t *testing.T) {
	bothWays(t, func(w *world, content []byte, push func(*opener) error) {
		w.reg.Trusting = true
		broken := errors.New("the disk is broken")
		o := &opener{content: content[:200_000], claimed: content, err: broken}
		if err := push(o); err != broken || o.left.Load() != 0 {
			w.Errorf("error %v, %d readers not closed", err, o.left.Load())
		}
		w.nothingStored()
		if n := len(w.reg.Requests("POST", "")); n != 1 {
			w.Errorf("begun %d times", n)
		}
	})
}

// A registry may take its time with a blob that it has got.
func TestUploadSlowCommit(t *testing.T) {
	bothWays(t, func(w *world, content []byte, push func(*opener) error) {
		w.reg.On(puts, fakeregistry.Delay(5*time.Minute))
		if err := push(&opener{content: content}); err != nil {
			w.Error(err)
		}
		w.stored(content)
		if n := len(w.reg.Requests("PUT", "")); n != 1 {
			w.Errorf("%d PUT, want 1", n)
		}
	})
}

func TestUploadDenied(t *testing.T) {
	bothWays(t, func(w *world, content []byte, push func(*opener) error) {
		w.tokenServer(&fakeregistry.Tokens{Forbid: []string{"app"}})
		o := &opener{content: content}
		if err := push(o); !errors.Is(err, ErrDenied) || o.opened.Load() != 0 {
			w.Errorf("%v, the content was opened %d times", err, o.opened.Load())
		}
		w.nothingStored()
	})
}

// The token ends between the begin of an upload and its body, and there is no other.
func TestUploadTokenEnds(t *testing.T) {
	bothWays(t, func(w *world, content []byte, push func(*opener) error) {
		tokens, began := &fakeregistry.Tokens{}, time.Now()
		server := fakeregistry.New()
		later := func(*http.Request) bool { return time.Since(began) > 30*time.Second }
		server.On(fakeregistry.Match{Func: later}, fakeregistry.Status(401))
		server.On(fakeregistry.Match{}, func(http.Handler) http.Handler { return tokens })
		w.serve("auth.test:80", server)
		w.reg.RequireToken(tokens, "http://auth.test/token")
		authorized := func(req *http.Request) bool { return req.Header.Get("Authorization") != "" }
		w.reg.On(fakeregistry.Match{Method: "POST", Func: authorized}, fakeregistry.Delay(56*time.Second))
		o := &opener{content: content}
		if err := push(o); !errors.Is(err, ErrDenied) || o.left.Load() != 0 {
			w.Errorf("%v, %d readers not closed", err, o.left.Load())
		}
		if blobs, _, _ := w.reg.Stored("app"); blobs != 0 {
			w.Errorf("%d blobs are stored", blobs)
		}
	})
}

func TestUploadCancelled(t *testing.T) {
	stop := errors.New("the user has had enough")
	for name, fault := range map[string]fakeregistry.Fault{"in the body": fakeregistry.Delay(time.Hour),
		"between tries": fakeregistry.CutBody(10)} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				content := noise(300_000)
				w.reg.On(patches, fault)
				ctx, cancel := context.WithCancelCause(w.Context())
				time.AfterFunc(time.Millisecond, func() { cancel(stop) })
				o := &opener{content: content}
				began := time.Now()
				if _, err := w.repo("app").Pusher().PushStream(ctx, "", o.open, PushOptions{}); !errors.Is(err, stop) ||
					time.Since(began) != time.Millisecond {
					w.Errorf("after %s: %v", time.Since(began), err)
				}
				if n := o.left.Load(); n != 0 {
					w.Errorf("%d readers not closed", n)
				}
			})
		})
	}
}

var _ image.Source = (*opener)(nil)

// A registry that takes whole blobs only is asked once for more, and then given whole blobs.
func TestUploadWithoutPatch(t *testing.T) {
	for _, status := range []int{405, 501} {
		bothWays(t, func(w *world, content []byte, push func(*opener) error) {
			w.reg.On(fakeregistry.Match{Method: "PATCH"}, fakeregistry.Early(status))
			w.reg.On(fakeregistry.Match{Method: "PUT", Path: "/uploads/", Count: 1}, fakeregistry.CutBody(1000))
			for _, c := range [][]byte{content, content[1:]} {
				o := &opener{content: c}
				if err := push(o); err != nil {
					w.Fatal(err)
				}
				w.stored(c)
				if left := o.left.Load(); left != 0 {
					w.Errorf("%d readers are left open", left)
				}
			}
			if n := len(w.reg.Requests("PATCH", "")); n > 1 {
				w.Errorf("%d times PATCH", n)
			}
			if n := w.reg.OpenUploads(); n > 1 { // that of the cut connection
				w.Errorf("%d uploads are left open", n)
			}
		})
	}
}

// A proxy that does not let PATCH through says so in its own way (moby#27877). Then whole blobs may pass. A
// registry's own word is not doubted, and nothing is remembered of what was not taken either way.
func TestUploadThroughAProxyWithoutPatch(t *testing.T) {
	page, once := []string{"Content-Type", "text/html"}, "POST PATCH DELETE POST PUT POST PUT"
	for name, tc := range map[string]struct {
		patch, put fakeregistry.Fault
		want       string // requests for two streams; empty: they fail
	}{
		"400 with a page": {fakeregistry.Answer(400, "<html>Bad Request</html>", page...), nil, once},
		"403 with a page": {fakeregistry.Answer(403, "<html>Forbidden</html>", page...), nil, once},
		"400 early":       {fakeregistry.Early(400), nil, once},
		"411 at all events": {fakeregistry.Status(411), nil,
			"POST PATCH DELETE POST PATCH DELETE POST PUT POST PUT"},
		"a registry's 400": {fakeregistry.Answer(400, `{"errors":[{"code":"BLOB_UPLOAD_INVALID"}]}`), nil, ""},
		"a registry's 403": {fakeregistry.Answer(403, `{"errors":[{"code":"DENIED"}]}`), nil, ""},
		"neither way":      {fakeregistry.Answer(400, "", page...), fakeregistry.Status(403), ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.reg.On(fakeregistry.Match{Method: "PATCH"}, tc.patch)
				if tc.put != nil {
					w.reg.On(fakeregistry.Match{Method: "PUT"}, tc.put)
				}
				for _, c := range [][]byte{noise(300_000), noise(300_001)} {
					o := &opener{content: c}
					_, err := w.repo("app").Pusher().PushStream(w.Context(), "", o.open, PushOptions{})
					var e *Error
					if tc.want == "" && (!errors.As(err, &e) || e.Method != "PATCH") || tc.want != "" && err != nil {
						w.Error(err)
					}
					if n := o.left.Load(); n != 0 {
						w.Errorf("%d readers are left open", n)
					}
				}
				if got := sequence(w.reg); tc.want != "" && got != tc.want {
					w.Errorf("requests %q, want %q", got, tc.want)
				}
				if again := w.repo("app").own.host.noPatch.Load(); again != (tc.want != "") {
					w.Errorf("remembered: %v", again)
				}
			})
		})
	}
}

// An upload that broke off does not go on where PATCH does not pass: it begins again.
func TestUploadGoesOnWithoutPatch(t *testing.T) {
	for _, fault := range []fakeregistry.Fault{fakeregistry.Status(405), fakeregistry.Early(400)} {
		inBubble(t, func(w *world) {
			w.reg.On(fakeregistry.Match{Method: "PATCH"}, fault)
			w.reg.On(fakeregistry.Match{Method: "PUT", Path: "/uploads/", Count: 1}, fakeregistry.Abort(200_000))
			c := noise(300_000)
			if err := w.repo("app").Pusher().Push(w.Context(), describe(c), memory(c), PushOptions{}); err != nil {
				w.Error(err)
			}
			w.stored(c)
		})
	}
}

// What cannot be read is no registry's fault.
func TestUploadWithoutPatchOfWhatCannotBeRead(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.On(fakeregistry.Match{Method: "PATCH"}, fakeregistry.Early(405))
		broken := errors.New("the disk is gone")
		o := &opener{content: noise(1000), err: broken}
		if _, err := w.repo("app").Pusher().PushStream(w.Context(), "some/type", o.open,
			PushOptions{}); !errors.Is(err, broken) {
			w.Errorf("%v, want %v", err, broken)
		}
		w.nothingStored()
	})
}

// hasty gives up on a body while it is still being read, as a http.RoundTripper may.
type hasty struct{ http.RoundTripper }

func (h hasty) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.ContentLength == 0 {
		return h.RoundTripper.RoundTrip(req)
	}
	go func() {
		time.Sleep(time.Second)
		req.Body.Close()
	}()
	return nil, errors.New("server closed idle connection")
}

// No content is read any more when a push has returned, however its requests ended.
func TestUploadLeavesNoReaderBehind(t *testing.T) {
	bothWays(t, func(w *world, content []byte, push func(*opener) error) {
		h := w.repo("app").own.host
		h.transport = hasty{h.transport}
		o := &opener{content: content}
		if err := push(o); !errors.Is(err, ErrUnavailable) {
			w.Error(err)
		}
		if n := o.left.Load(); n != 0 {
			w.Errorf("%d readers not closed", n)
		}
	})
}
