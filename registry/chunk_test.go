package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"drayage/internal/fakeregistry"
)

// limit makes a proxy of sorts refuse bodies of more than n bytes, and those that do not say how long they
// are.
func (w *world) limit(n int64, refusal fakeregistry.Fault) {
	tooLarge := func(req *http.Request) bool { return req.ContentLength > n || req.ContentLength < 0 }
	w.reg.On(fakeregistry.Match{Func: tooLarge}, refusal)
}

// sizes are the lengths of the chunks that were taken.
func sizes(reg *fakeregistry.Registry) (all []int64) {
	for _, e := range reg.Requests("PATCH", "") {
		if e.Status == http.StatusAccepted {
			all = append(all, e.Received)
		}
	}
	return all
}

func TestChunks(t *testing.T) {
	const mib = 1 << 20
	for name, tc := range map[string]struct {
		limit   int64
		refusal fakeregistry.Fault
		least   string // OCI-Chunk-Min-Length
		want    []int64
	}{
		"as large as usual": {4 * mib, fakeregistry.Status(413), "", []int64{4 * mib, 4 * mib, 1000}},
		"refused early":     {4 * mib, fakeregistry.Early(413), "", []int64{4 * mib, 4 * mib, 1000}},
		"smaller": {3 * mib, fakeregistry.Status(413), "",
			[]int64{2 * mib, 2 * mib, 2 * mib, 2 * mib, 1000}},
		"at least": {8 * mib, fakeregistry.Status(413), "5242880", []int64{5 * mib, 3*mib + 1000}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.limit(tc.limit, tc.refusal)
				if tc.least != "" {
					w.reg.On(fakeregistry.Match{Method: "POST"}, fakeregistry.Header("OCI-Chunk-Min-Length", tc.least))
				}
				content := noise(8*mib + 1000)
				o := &opener{content: content}
				if err := w.repo("app").Pusher().Push(w.Context(), describe(content), o, PushOptions{}); err != nil {
					w.Error(err)
				}
				w.stored(content)
				if diff := cmp.Diff(tc.want, sizes(w.reg)); diff != "" {
					w.Error(diff)
				}
				// What was found out holds for the next blob: it is not tried whole again.
				w.reg.Reset()
				next := append([]byte("another "), content...)
				if _, err := w.repo("app").Pusher().PushStream(w.Context(), "", (&opener{content: next}).open,
					PushOptions{}); err != nil {
					w.Error(err)
				}
				w.stored(next)
				if got := sequence(w.reg); !strings.HasPrefix(got, "POST PATCH") ||
					w.reg.Received("PATCH", "") > 2*int64(len(next)) {
					w.Errorf("%s, %d bytes", got, w.reg.Received("PATCH", ""))
				}
				if n := o.left.Load(); n != 0 {
					w.Errorf("%d readers not closed", n)
				}
			})
		})
	}
}

func TestChunksOfStream(t *testing.T) {
	inBubble(t, func(w *world) {
		w.limit(4<<20, fakeregistry.Early(413))
		o := &opener{content: noise(5 << 20)}
		if _, err := w.repo("app").Pusher().PushStream(w.Context(), "", o.open, PushOptions{}); err != nil {
			w.Error(err)
		}
		w.stored(o.content)
		if n := o.left.Load(); n != 0 {
			w.Errorf("%d readers not closed", n)
		}
	})
}

func TestChunksRecover(t *testing.T) {
	ranged := func(req *http.Request) bool { return req.Header.Get("Content-Range") != "" }
	chunked := fakeregistry.Match{Func: ranged, First: 2, Count: 1}
	for name, fault := range map[string]func(*world) fakeregistry.Fault{
		"cut":         func(*world) fakeregistry.Fault { return fakeregistry.CutBody(1000) },
		"unavailable": func(*world) fakeregistry.Fault { return fakeregistry.Status(503) },
		"answer lost": func(*world) fakeregistry.Fault { return fakeregistry.LoseAnswer() },
		"forgotten":   func(w *world) fakeregistry.Fault { return w.reg.Forget() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.limit(4<<20, fakeregistry.Status(413))
				w.reg.On(chunked, fault(w))
				content := noise(9 << 20)
				if err := w.repo("app").Pusher().Push(w.Context(), describe(content), memory(content),
					PushOptions{}); err != nil {
					w.Error(err)
				}
				w.stored(content)
			})
		})
	}
}

// Where no chunk is small enough the refusal is passed on.
func TestChunksNeverSmallEnough(t *testing.T) {
	bothWays(t, func(w *world, content []byte, push func(*opener) error) {
		w.limit(1000, fakeregistry.Answer(413, "too large"))
		var e *Error
		if err := push(&opener{content: content}); !errors.As(err, &e) || e.Status != 413 {
			w.Error(err)
		}
		w.nothingStored()
	})
}

// A registry may not make us hold any amount.
func TestChunkMinimumTooLarge(t *testing.T) {
	bothWays(t, func(w *world, content []byte, push func(*opener) error) {
		w.reg.On(fakeregistry.Match{Method: "POST"}, fakeregistry.Header("OCI-Chunk-Min-Length", "1099511627776"))
		w.refused("push", "chunks of at least", func() error { return push(&opener{content: content}) })
	})
}

// Uploads in large chunks wait for each other, so that memory does not grow with their number.
func TestChunksShareABudget(t *testing.T) {
	inBubble(t, func(w *world) {
		w.repo("app") // makes the client ready
		release, err := w.client.reserve(w.Context(), maxChunkSize)
		if err != nil {
			w.Fatal(err)
		}
		var second atomic.Bool
		done := make(chan struct{})
		go func() {
			defer close(done)
			free, err := w.client.reserve(w.Context(), chunkSize)
			if err != nil {
				w.Error(err)
				return
			}
			second.Store(true)
			free()
		}()
		synctest.Wait()
		if second.Load() {
			w.Error("more than the budget is held")
		}
		release()
		<-done
		ctx, cancel := context.WithCancelCause(w.Context())
		defer w.mustReserve(chunkBudget)()
		cancel(errors.New("the user has gone"))
		if _, err := w.client.reserve(ctx, 1); err == nil || err.Error() != "the user has gone" {
			w.Errorf("%v, want the cause", err)
		}
	})
}

func (w *world) mustReserve(n int) func() {
	release, err := w.client.reserve(w.Context(), n)
	if err != nil {
		w.Fatal(err)
	}
	return release
}

// unsized are requests whose body does not say how large it is.
func unsized(req *http.Request) bool { return req.ContentLength < 0 }

// Where bodies have to say how large they are, streams go in chunks. What has a known size still goes whole.
func TestWild52LengthRequired(t *testing.T) {
	for name, fault := range map[string]fakeregistry.Fault{
		"refused":       fakeregistry.Status(411),
		"refused early": fakeregistry.Early(411),
		"web page":      fakeregistry.Answer(411, "<html>Length Required</html>", "Content-Type", "text/html"),
		"passed on without the body": func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
				req.Body, req.ContentLength = http.NoBody, 0
				next.ServeHTTP(rw, req)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(w *world, content []byte, push func(*opener) error) {
				w.reg.On(fakeregistry.Match{Func: unsized}, fault)
				for i := range 2 {
					c := content[i:]
					o := &opener{content: c}
					if err := push(o); err != nil {
						w.Error(err)
					}
					w.stored(c)
					if n := o.left.Load(); n != 0 {
						w.Errorf("%d readers not closed", n)
					}
				}
				n := 0
				for _, e := range w.reg.Requests("PATCH", "") {
					if e.Header.Get("Content-Range") == "" {
						n++
					}
				}
				if n > 1 {
					w.Errorf("asked %d times", n)
				}
			})
		})
	}
}

func TestWild52LargeStream(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.On(fakeregistry.Match{Func: unsized}, fakeregistry.Early(411))
		o := &opener{content: noise(9 << 20)}
		if _, err := w.repo("app").Pusher().PushStream(w.Context(), "", o.open, PushOptions{}); err != nil {
			w.Error(err)
		}
		w.stored(o.content)
		if diff := cmp.Diff([]int64{4 << 20, 4 << 20, 1 << 20}, sizes(w.reg)); diff != "" {
			w.Error(diff)
		}
		if err := w.repo("app").Pusher().Push(w.Context(), describe(o.content[1:]), memory(o.content[1:]),
			PushOptions{}); err != nil {
			w.Error(err)
		}
		if got := sequence(w.reg); !strings.HasSuffix(got, " POST PUT") {
			w.Errorf("%s: a blob of known size went in chunks", got)
		}
	})
}

// A stream that can be read once only is not begun before the server says that it takes it.
func TestWild52StreamIsNotBegunInVain(t *testing.T) {
	for name, fault := range map[string]fakeregistry.Fault{
		"411": fakeregistry.Early(411), "413": fakeregistry.Early(413), "417": fakeregistry.Early(417),
		"307": fakeregistry.Early(307, "Location", "/v2/app/blobs/uploads/upload-1?z=a%2Bb&_state=0&again=1"),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				whole := func(req *http.Request) bool {
					return unsized(req) && (name != "417" || req.Header.Get("Expect") != "") &&
						!strings.Contains(req.URL.RawQuery, "again")
				}
				w.reg.On(fakeregistry.Match{Method: "PATCH", Func: whole}, fault)
				o := &opener{content: noise(1 << 20)}
				read, again := false, false
				open := func() (io.ReadCloser, error) {
					again = again || read
					rc, err := o.open()
					return struct {
						io.Reader
						io.Closer
					}{readFunc(func(p []byte) (int, error) { read = true; return rc.Read(p) }), rc}, err
				}
				if _, err := w.repo("app").Pusher().PushStream(w.Context(), "", open, PushOptions{}); err != nil {
					w.Error(err)
				}
				w.stored(o.content)
				if again {
					w.Error("it was opened once more after it had been read")
				}
			})
		})
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }
