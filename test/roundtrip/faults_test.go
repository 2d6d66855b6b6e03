package roundtrip

import (
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"drayage/test/registry3"
	"drayage/test/sample"
)

// fault breaks the first requests of a kind and then lets everything pass.
type fault struct {
	name  string
	match func(*http.Request) bool
	times int
	act   func(w http.ResponseWriter, r *http.Request, next http.Handler)
}

// injector counts how often its fault struck.
type injector struct {
	fault
	mu     sync.Mutex
	struck int
}

func (i *injector) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		strike := i.struck < i.times && i.match(r)
		if strike {
			i.struck++
		}
		i.mu.Unlock()
		if strike {
			i.act(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (i *injector) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.struck
}

// answer refuses with a status, after it has read what was sent.
func answer(status int, header http.Header) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		io.Copy(io.Discard, r.Body)
		for key, values := range header {
			w.Header()[key] = values
		}
		w.WriteHeader(status)
	}
}

// drop cuts the connection before any answer.
func drop(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// dropHalfWay reads half of what is sent and then cuts the connection.
func dropHalfWay(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	io.CopyN(io.Discard, r.Body, r.ContentLength/2)
	panic(http.ErrAbortHandler)
}

// dropAfter lets the registry do its work and cuts the connection instead of telling.
func dropAfter(_ http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// cut sends half of the answer under the headers of the whole.
func cut(w http.ResponseWriter, r *http.Request, next http.Handler) {
	recorded := httptest.NewRecorder()
	next.ServeHTTP(recorded, r)
	for key, values := range recorded.Header() {
		w.Header()[key] = values
	}
	w.WriteHeader(recorded.Code)
	w.Write(recorded.Body.Bytes()[:recorded.Body.Len()/2])
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func is(method, path string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == method && strings.Contains(r.URL.Path, path) }
}

// isUpload matches the requests that carry blob content.
func isUpload(r *http.Request) bool {
	return (r.Method == http.MethodPut || r.Method == http.MethodPatch) &&
		strings.Contains(r.URL.Path, "/uploads/") && r.ContentLength != 0
}

var soon = http.Header{"Retry-After": {"1"}}

func TestFetchSurvivesFaults(t *testing.T) {
	manifest, blob := is(http.MethodGet, "/manifests/"), is(http.MethodGet, "/blobs/")
	for _, f := range []fault{
		{"manifest 503", manifest, 2, answer(http.StatusServiceUnavailable, nil)},
		{"manifest 429", manifest, 1, answer(http.StatusTooManyRequests, soon)},
		{"manifest dropped", manifest, 2, drop},
		{"manifest cut", manifest, 2, cut},
		{"blob 503", blob, 2, answer(http.StatusServiceUnavailable, nil)},
		{"blob 500", blob, 2, answer(http.StatusInternalServerError, nil)},
		{"blob 502", blob, 2, answer(http.StatusBadGateway, nil)},
		{"blob 429", blob, 2, answer(http.StatusTooManyRequests, soon)},
		{"blob dropped", blob, 2, drop},
		{"blob cut", blob, 3, cut},
	} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			injected := &injector{fault: f}
			s := startSite(t, registry3.Options{Wrap: injected.wrap})
			source := s.Addr() + "/app:1"
			want := host(t, s.seed(t, "app", "1", sample.Options{}))
			c := newCLI(t)
			c.must(t, "fetch", source, "-o", "images")
			checkInLayout(t, c.path("images"), source, want)
			if n := injected.count(); n != f.times {
				t.Errorf("the fault struck %d times, want %d", n, f.times)
			}
		})
	}
}

// A tar that is saved straight from a registry is written in place while blobs arrive.
func TestSaveSurvivesFaults(t *testing.T) {
	blob := is(http.MethodGet, "/blobs/")
	for _, f := range []fault{
		{"blob 503", blob, 2, answer(http.StatusServiceUnavailable, nil)},
		{"blob cut", blob, 3, cut},
	} {
		for _, out := range []string{"image.tar", "-"} {
			t.Run(f.name+" to "+out, func(t *testing.T) {
				t.Parallel()
				injected := &injector{fault: f}
				s := startSite(t, registry3.Options{Wrap: injected.wrap})
				source := s.Addr() + "/app:1"
				want := host(t, s.seed(t, "app", "1", sample.Options{}))
				c := newCLI(t)
				r := c.must(t, "save", source, "-o", out)
				if out == "-" {
					c.write(t, "image.tar", r.stdout)
				}
				checkSaved(t, c.path("image.tar"), source, want)
				if n := injected.count(); n != f.times {
					t.Errorf("the fault struck %d times, want %d", n, f.times)
				}
			})
		}
	}
}

func TestPushSurvivesFaults(t *testing.T) {
	start, manifest := is(http.MethodPost, "/uploads/"), is(http.MethodPut, "/manifests/")
	connected := startSite(t, registry3.Options{})
	want := host(t, connected.seed(t, "app", "1", sample.Options{}))
	c := newCLI(t)
	c.must(t, "fetch", connected.Addr()+"/app:1", "-o", "images")
	c.must(t, "save", "images", "-o", "image.tar")
	for _, f := range []fault{
		{"start 503", start, 2, answer(http.StatusServiceUnavailable, nil)},
		{"start 429", start, 1, answer(http.StatusTooManyRequests, soon)},
		{"start dropped", start, 2, drop},
		{"content 503", isUpload, 2, answer(http.StatusServiceUnavailable, nil)},
		{"content 429", isUpload, 1, answer(http.StatusTooManyRequests, soon)},
		{"content dropped", isUpload, 2, drop},
		{"content dropped half-way", isUpload, 2, dropHalfWay},
		{"content stored, answer lost", isUpload, 1, dropAfter},
		{"commit stored, answer lost", is(http.MethodPut, "/uploads/"), 1, dropAfter},
		{"manifest 503", manifest, 2, answer(http.StatusServiceUnavailable, nil)},
		{"manifest 429", manifest, 1, answer(http.StatusTooManyRequests, soon)},
		{"manifest stored, answer lost", manifest, 1, dropAfter},
	} {
		for _, source := range []string{"images", "image.tar"} {
			t.Run(f.name+" from "+source, func(t *testing.T) {
				t.Parallel()
				injected := &injector{fault: f}
				private := startSite(t, registry3.Options{Wrap: injected.wrap})
				pusher := newCLI(t)
				pusher.must(t, "push", c.path(source), private.Addr()+"/app:1")
				checkServed(t, private.repo("app"), "1", want)
				if n := injected.count(); n != f.times {
					t.Errorf("the fault struck %d times, want %d", n, f.times)
				}
			})
		}
	}
}

// A layer that is compressed on the way ends with a request without content. When its answer is lost, the
// upload it asks about again is gone, and the blob is there.
func TestPushOfTarSurvivesLostCommits(t *testing.T) {
	commit := func(r *http.Request) bool { return is(http.MethodPut, "/uploads/")(r) && r.ContentLength == 0 }
	for name, act := range map[string]func(http.ResponseWriter, *http.Request, http.Handler){
		"stored": dropAfter, "not stored": drop, "refused": answer(http.StatusBadGateway, nil),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			injected := &injector{fault: fault{name, commit, 2, act}}
			private := startSite(t, registry3.Options{Wrap: injected.wrap})
			connected := startSite(t, registry3.Options{})
			want := host(t, connected.seed(t, "app", "1", sample.Options{}))
			c := newCLI(t)
			c.must(t, "save", connected.Addr()+"/app:1", "-o", "image.tar")
			c.must(t, "push", "image.tar", private.Addr()+"/app:1")
			checkServed(t, private.repo("app"), "1", want)
			if n := injected.count(); n != 2 {
				t.Errorf("the fault struck %d times, want 2: was the layer not streamed?", n)
			}
		})
	}
}

// What never gets better must end with the network's exit code and without a half image.
func TestLastingFaultEnds(t *testing.T) {
	always := fault{"blob 503", is(http.MethodGet, "/blobs/"), math.MaxInt,
		answer(http.StatusServiceUnavailable, nil)}
	for _, verb := range []string{"fetch", "save"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, registry3.Options{Wrap: (&injector{fault: always}).wrap})
			s.seed(t, "app", "1", sample.Options{})
			c := newCLI(t)
			checkOneLine(t, c.fails(t, exitNetwork, verb, "-q", s.Addr()+"/app:1", "-o", "out"), s.Addr())
			switch {
			case verb == "save" && c.exists("out"):
				t.Error("a failed save left a tar")
			case verb == "fetch" && c.exists("out/index.json"):
				if named := readLayout(t, c.path("out")); len(named) != 0 {
					t.Errorf("a failed fetch left %v in the layout", named)
				}
			}
		})
	}
}
