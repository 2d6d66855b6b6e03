package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"drayage/internal/fakeregistry"
)

// journal is a Journal in memory.
type journal struct {
	location string
	changes  int
}

func (m *journal) Location() string         { return m.location }
func (m *journal) Remember(location string) { m.location = location; m.changes++ }
func (m *journal) Forget()                  { m.location = "" }

// bodies are the requests that bring content.
var bodies = fakeregistry.Match{Path: "/uploads/upload-",
	Func: func(req *http.Request) bool { return req.ContentLength != 0 && req.Method != "POST" }}

// killed pushes content until the registry has kept some of it, and then no more, as a process does that is
// killed.
func killed(t *testing.T, f func(w *world, m *journal, content []byte,
	push func(context.Context, *opener) error)) {
	content := noise(300_000)
	ways := map[string]func(context.Context, *Pusher, PushOptions, *opener) error{
		"blob": func(ctx context.Context, p *Pusher, opts PushOptions, o *opener) error {
			return p.Push(ctx, describe(content), o, opts)
		},
		"stream": func(ctx context.Context, p *Pusher, opts PushOptions, o *opener) error {
			d, err := p.PushStream(ctx, "some/type", o.open, opts)
			if want := describe(content); err == nil && (d.Digest != want.Digest || d.Size != want.Size) {
				t.Errorf("%+v, want %+v", d, want)
			}
			return err
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				m := &journal{}
				push := func(ctx context.Context, o *opener) error {
					err := way(ctx, w.repo("app").Pusher(), PushOptions{Journal: m}, o)
					if n := o.left.Load(); n != 0 {
						w.Errorf("%d readers were not closed", n)
					}
					return err
				}
				w.kill(push, content, 100_000)
				if m.location == "" {
					w.Fatal("nothing is remembered")
				}
				f(w, m, content, push)
			})
		})
	}
}

// kill pushes until the registry has taken and kept some bytes, and then no more.
func (w *world) kill(push func(context.Context, *opener) error, content []byte, after int64) {
	w.Helper()
	ctx, kill := context.WithCancel(w.Context())
	w.reg.On(once(bodies), func(next http.Handler) http.Handler {
		keep := fakeregistry.CutKeeping(after)(next)
		return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			keep.ServeHTTP(rw, req)
			kill()
		})
	})
	whileAlive := func(*http.Request) bool { return ctx.Err() == nil }
	w.reg.On(fakeregistry.Match{Method: "GET", Path: "/uploads/", Func: whileAlive}, fakeregistry.Hang())
	if err := push(ctx, &opener{content: content}); !errors.Is(err, context.Canceled) {
		w.Fatalf("killed: %v", err)
	}
	w.reg.Heal()
	w.reg.Reset()
}

// What a registry has kept of the upload of a process that is gone is not sent again.
func TestUploadResumesInAnotherProcess(t *testing.T) {
	killed(t, func(w *world, m *journal, content []byte, push func(context.Context, *opener) error) {
		if err := push(w.Context(), &opener{content: content}); err != nil {
			w.Error(err)
		}
		w.stored(content)
		if sent := w.reg.Received("", ""); sent != int64(len(content))-100_000 {
			w.Errorf("%d bytes were sent", sent)
		}
		if got := sequence(w.reg); got != "GET GET PATCH PUT" {
			w.Errorf("requests %q", got)
		}
		if m.location != "" {
			w.Errorf("%q is still remembered", m.location)
		}
	})
}

// What the registry has is read all the same, which may take longer than a connection may be silent, or a
// token is good for.
func TestUploadThatIsLongInResuming(t *testing.T) {
	killed(t, func(w *world, _ *journal, content []byte, push func(context.Context, *opener) error) {
		tokens := &fakeregistry.Tokens{}
		w.serve("auth.test:80", tokens)
		w.reg.RequireToken(tokens, "http://auth.test/token")
		if err := push(w.Context(), &opener{content: content, late: time.Hour}); err != nil {
			w.Error(err)
		}
		w.stored(content)
		patches := w.reg.Requests("PATCH", "")
		if len(patches) != 1 || patches[0].Status != http.StatusAccepted {
			w.Errorf("%d times PATCH: %+v", len(patches), patches)
		}
	})
}

// If all content has arrived, only the end is sent.
func TestUploadThatLacksItsEndOnly(t *testing.T) {
	killed(t, func(w *world, m *journal, content []byte, push func(context.Context, *opener) error) {
		*m = journal{}
		w.kill(push, content, 1<<20)
		if err := push(w.Context(), &opener{content: content}); err != nil || w.reg.Received("", "") > 0 {
			w.Errorf("%v, %d bytes were sent again", err, w.reg.Received("", ""))
		}
		if !bytes.Equal(w.reg.Blob("app", describe(content).Digest), content) || w.reg.OpenUploads() != 1 {
			w.Error("it is not stored, or it is left open")
		}
	})
}

// An upload that breaks after it has gone on goes on once more, and one that is interrupted is left to the
// next.
func TestUploadResumesAgainAndAgain(t *testing.T) {
	killed(t, func(w *world, m *journal, content []byte, push func(context.Context, *opener) error) {
		ctx, kill := context.WithCancel(w.Context())
		w.reg.On(once(bodies), fakeregistry.CutKeeping(50_000))
		second := bodies
		second.First, second.Count = 2, 1
		w.reg.On(second, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
				kill()
				fakeregistry.CutKeeping(50_000)(next).ServeHTTP(rw, req)
			})
		})
		if err := push(ctx, &opener{content: content}); !errors.Is(err, context.Canceled) || m.location == "" {
			w.Fatalf("%v, remembered %q", err, m.location)
		}
		w.reg.Heal()
		if err := push(w.Context(), &opener{content: content}); err != nil {
			w.Error(err)
		}
		w.stored(content)
		if sent := w.reg.Received("", ""); sent > int64(len(content))-100_000+64<<10 {
			w.Errorf("%d bytes were sent", sent) // the killed process may have sent more than was kept
		}
	})
}

// What the dead process had sent may arrive after it is gone.
func TestUploadThatStillGrows(t *testing.T) {
	killed(t, func(w *world, _ *journal, content []byte, push func(context.Context, *opener) error) {
		status := fakeregistry.Match{Method: "GET", Path: "/uploads/", Count: 1}
		w.reg.On(status, fakeregistry.Header("Range", "0-69999"))
		if err := push(w.Context(), &opener{content: content}); err != nil {
			w.Error(err)
		}
		w.stored(content)
		if got, sent := sequence(w.reg), w.reg.Received("", ""); got != "GET GET GET PATCH PUT" ||
			sent != int64(len(content))-100_000 {
			w.Errorf("requests %q, %d bytes", got, sent)
		}
	})
}

// Somebody else's upload is left alone.
func TestUploadThatDoesNotCeaseToGrow(t *testing.T) {
	killed(t, func(w *world, _ *journal, content []byte, push func(context.Context, *opener) error) {
		size := int64(5000)
		w.reg.On(fakeregistry.Match{Method: "GET", Path: "/uploads/"}, func(next http.Handler) http.Handler {
			size += 10
			return fakeregistry.Header("Range", fmt.Sprintf("0-%d", size))(next)
		})
		if err := push(w.Context(), &opener{content: content}); err != nil {
			w.Error(err)
		}
		if !bytes.Equal(w.reg.Blob("app", describe(content).Digest), content) {
			w.Error("it is not stored")
		}
		if n := w.reg.OpenUploads(); n != 1 {
			w.Errorf("%d uploads are open, want the other's", n)
		}
	})
}

// What is remembered is a guess: where the registry knows better, all is sent.
func TestUploadBeginsAnewWhereItCannotResume(t *testing.T) {
	status := fakeregistry.Match{Method: "GET", Path: "/uploads/"}
	first := once(bodies)
	for name, tc := range map[string]struct {
		match fakeregistry.Match
		fault fakeregistry.Fault
	}{
		"forgotten":          {status, fakeregistry.Status(404)},
		"another state":      {status, fakeregistry.Status(416)},
		"in use":             {status, fakeregistry.Status(409)},
		"not allowed":        {status, fakeregistry.Status(405)},
		"broken":             {status, fakeregistry.Status(500)},
		"silent":             {status, fakeregistry.Hang()},
		"cut off":            {status, fakeregistry.Abort(0)},
		"nothing":            {status, fakeregistry.Header("Range", "")},
		"one byte or none":   {status, fakeregistry.Header("Range", "0-0")},
		"nonsense":           {status, fakeregistry.Header("Range", "bytes=0-5000")},
		"more than there is": {status, fakeregistry.Header("Range", "0-999999")},
		"less than it has":   {status, fakeregistry.Header("Range", "0-5000")},
		"another place":      {status, fakeregistry.Header("Location", "ftp://registry.test/")},
		"moved on":           {first, fakeregistry.Status(416)},
		"taken":              {first, fakeregistry.Status(409)},
		"gone meanwhile":     {first, fakeregistry.Status(404)},
		"refused":            {first, fakeregistry.Early(400)},
		"other bytes": {first, fakeregistry.Call(func(req *http.Request) {
			req.Body = io.NopCloser(io.MultiReader(bytes.NewReader([]byte("x")), io.LimitReader(req.Body, 199_999)))
		})},
	} {
		t.Run(name, func(t *testing.T) {
			killed(t, func(w *world, m *journal, content []byte, push func(context.Context, *opener) error) {
				w.reg.On(tc.match, tc.fault)
				if err := push(w.Context(), &opener{content: content}); err != nil {
					w.Error(err)
				}
				if !bytes.Equal(w.reg.Blob("app", describe(content).Digest), content) {
					w.Error("it is not stored")
				}
				if m.location != "" {
					w.Errorf("%q is still remembered", m.location)
				}
				if got := len(w.reg.Requests("POST", "")); got != 1 {
					w.Errorf("%d uploads were begun", got)
				}
				if notes := w.told(); len(notes) != 0 {
					w.Errorf("the user is told %q", notes)
				}
			})
		})
	}
}

// An address that is not the registry's own is neither kept nor gone to.
func TestUploadIsRememberedOfItsOriginOnly(t *testing.T) {
	for _, location := range []string{
		"http://elsewhere.test/v2/app/blobs/uploads/upload-1?_state=0", "https://registry.test/v2/",
		"http://registry.test:81/v2/", "http://me:secret@registry.test/v2/",
		"//elsewhere.test/", "/v2/app/blobs/uploads/upload-1", "ftp://registry.test/", "http://[", "nonsense",
		"http://",
	} {
		killed(t, func(w *world, m *journal, content []byte, push func(context.Context, *opener) error) {
			w.login(Credential{Username: "me", Password: "secret"})
			elsewhere := w.other("elsewhere.test:80")
			m.location = location
			if err := push(w.Context(), &opener{content: content}); err != nil {
				w.Errorf("%q: %v", location, err)
			}
			if n := len(elsewhere.Requests("", "")) + len(w.reg.Requests("GET", "/uploads/")); n != 0 {
				w.Errorf("%q: %d requests", location, n)
			}
			if m.location != "" {
				w.Errorf("%q is still remembered", m.location)
			}
		})
	}
	for _, elsewhere := range []string{"http://elsewhere.test", "http://me:secret@registry.test"} {
		inBubble(t, func(w *world) {
			w.serve("elsewhere.test:80", w.reg)
			w.reg.Location = func(_ *http.Request, path string) string { return elsewhere + path }
			m := &journal{}
			content := noise(1000)
			if err := w.repo("app").Pusher().Push(w.Context(), describe(content), &opener{content: content},
				PushOptions{Journal: m}); err != nil {
				w.Error(err)
			}
			w.stored(content)
			if m.changes != 0 {
				w.Errorf("an address at %s was remembered", elsewhere)
			}
		})
	}
}

// What has arrived another way does not go on.
func TestUploadOfWhatIsThereIsForgotten(t *testing.T) {
	inBubble(t, func(w *world) {
		content := noise(1000)
		m := &journal{location: "http://registry.test/v2/app/blobs/uploads/upload-1"}
		w.reg.PutBlob("app", content)
		if err := w.repo("app").Pusher().Push(w.Context(), describe(content), &opener{content: content},
			PushOptions{Journal: m}); err != nil || m.location != "" {
			w.Errorf("%v, %q is still remembered", err, m.location)
		}
	})
}

// A corrupt source does not leave a part of it behind.
func TestUploadOfACorruptSourceIsForgotten(t *testing.T) {
	killed(t, func(w *world, m *journal, content []byte, push func(context.Context, *opener) error) {
		broken := errors.New("the disk is gone")
		if err := push(w.Context(), &opener{content: content[:200_000], err: broken}); err == nil ||
			!strings.Contains(err.Error(), broken.Error()) {
			w.Errorf("%v", err)
		}
		w.nothingStored()
		if m.location != "" {
			w.Errorf("%q is still remembered", m.location)
		}
	})
}

// A registry that is away is no reason to forget what it has.
func TestUploadIsRememberedWhileTheRegistryIsAway(t *testing.T) {
	killed(t, func(w *world, m *journal, content []byte, push func(context.Context, *opener) error) {
		w.reg.On(fakeregistry.Match{Path: "/uploads/"}, fakeregistry.Abort(0))
		if err := push(w.Context(), &opener{content: content}); !errors.Is(err, ErrUnavailable) {
			w.Errorf("%v", err)
		}
		w.reg.Heal()
		w.reg.Reset()
		if err := push(w.Context(), &opener{content: content}); err != nil ||
			w.reg.Received("", "") != int64(len(content))-100_000 {
			w.Errorf("%v, %d bytes were sent", err, w.reg.Received("", ""))
		}
		w.stored(content)
	})
}

// An upload that the registry knows and that does not go on all the same is begun anew.
func TestUploadThatIsStuckIsBegunAnew(t *testing.T) {
	for name, fault := range map[string]fakeregistry.Fault{"refused": fakeregistry.Early(500),
		"cut off": fakeregistry.Abort(0)} {
		t.Run(name, func(t *testing.T) {
			killed(t, func(w *world, m *journal, content []byte, push func(context.Context, *opener) error) {
				w.reg.On(fakeregistry.Match{Method: "PATCH", Path: "/uploads/upload-1"}, fault)
				if err := push(w.Context(), &opener{content: content}); err != nil || m.location != "" {
					w.Errorf("%v, %q is still remembered", err, m.location)
				}
				w.stored(content)
			})
		})
	}
}

// What is sent in pieces goes on behind the last of them.
func TestChunkedUploadResumesInAnotherProcess(t *testing.T) {
	content := noise(3*chunkSize + 1000)
	inBubble(t, func(w *world) {
		m := &journal{}
		large := func(req *http.Request) bool { return req.ContentLength < 0 || req.ContentLength > chunkSize }
		w.reg.On(fakeregistry.Match{Path: "/uploads/upload-", Func: large}, fakeregistry.Early(413))
		ctx, kill := context.WithCancel(w.Context())
		w.reg.On(fakeregistry.Match{Method: "PATCH", First: 3, Count: 1},
			fakeregistry.Call(func(*http.Request) { kill() }))
		push := func(ctx context.Context) error {
			return w.repo("app").Pusher().Push(ctx, describe(content), &opener{content: content},
				PushOptions{Journal: m})
		}
		if err := push(ctx); !errors.Is(err, context.Canceled) {
			w.Fatal(err)
		}
		w.client.Close()
		// which has to learn again what is too large
		w.client = &Client{Transport: w.client.Transport, PlainHTTP: true}
		w.reg.Reset()
		if err := push(w.Context()); err != nil {
			w.Error(err)
		}
		w.stored(content)
		var sent int64
		for _, e := range w.reg.Requests("PATCH", "") {
			if e.Status == http.StatusAccepted {
				sent += e.Received
			}
		}
		if sent > chunkSize+1000 {
			w.Errorf("%d bytes were sent again", sent)
		}
	})
}

// large are the requests that a registry finds too large.
func large(req *http.Request) bool { return req.ContentLength < 0 || req.ContentLength > chunkSize }

// A registry that goes away for good between two pieces has those before still.
func TestChunkedUploadIsRememberedWhileTheRegistryIsAway(t *testing.T) {
	content := noise(3*chunkSize + 1000)
	inBubble(t, func(w *world) {
		m := &journal{}
		tooLarge := fakeregistry.Match{Path: "/uploads/upload-", Func: large}
		w.reg.On(tooLarge, fakeregistry.Early(413))
		w.reg.On(fakeregistry.Match{Method: "PATCH", First: 3}, fakeregistry.Abort(0))
		push := func() error {
			return w.repo("app").Pusher().Push(w.Context(), describe(content), &opener{content: content},
				PushOptions{Journal: m})
		}
		if err := push(); !errors.Is(err, ErrUnavailable) || m.location == "" {
			w.Fatalf("%v, %q is remembered", err, m.location)
		}
		w.reg.Heal()
		w.reg.On(tooLarge, fakeregistry.Early(413))
		w.reg.Reset()
		if err := push(); err != nil || w.reg.Received("PATCH", "") != chunkSize+1000 {
			w.Errorf("%v, %d bytes were sent", err, w.reg.Received("PATCH", ""))
		}
		w.stored(content)
	})
}

// What goes whole or not at all has nothing to go on with.
func TestUploadInOneIsNotRemembered(t *testing.T) {
	content := noise(1000)
	for name, fault := range map[string]fakeregistry.Fault{"stored": nil, "refused": fakeregistry.Status(403)} {
		inBubble(t, func(w *world) {
			m := &journal{}
			w.reg.On(patches, fakeregistry.Status(405))
			if fault != nil {
				w.reg.On(puts, fault)
			}
			_, err := w.repo("app").Pusher().PushStream(w.Context(), "some/type", (&opener{content: content}).open,
				PushOptions{Journal: m})
			if (err == nil) != (fault == nil) || m.location != "" {
				w.Errorf("%s: %v, %q is still remembered", name, err, m.location)
			}
		})
	}
}
