package roundtrip

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/iotest"

	"drayage/test/registry3"
	"drayage/test/sample"
)

// counting counts the bytes that arrive in blobs.
type counting struct {
	mu   sync.Mutex
	sent int64
}

func (c *counting) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isUpload(r) {
			r.Body = &countedBody{r.Body, c}
		}
		next.ServeHTTP(w, r)
	})
}

type countedBody struct {
	io.ReadCloser
	c *counting
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	b.c.sent += int64(n)
	return n, err
}

// keepAll lets the registry have all that is sent and cuts the connection as if more had to come.
func keepAll(_ http.ResponseWriter, r *http.Request, next http.Handler) {
	r.Body = io.NopCloser(io.MultiReader(r.Body, iotest.ErrReader(io.ErrUnexpectedEOF)))
	next.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// What the registry has kept of a broken upload is not sent again: distribution tells, when it is asked, how
// far it has come. (With its storage in memory it keeps something else; then all is sent once more.)
func TestPushGoesOn(t *testing.T) {
	connected := startSite(t, registry3.Options{})
	want := host(t, connected.seed(t, "app", "1", sample.Options{}))
	c := newCLI(t)
	c.must(t, "fetch", connected.Addr()+"/app:1", "-o", "images")
	c.must(t, "save", "images", "-o", "image.tar")
	for _, source := range []string{"images", "image.tar"} {
		t.Run(source, func(t *testing.T) {
			plain, broken := &counting{}, &counting{}
			quiet := startSite(t, registry3.Options{Wrap: plain.wrap})
			newCLI(t).must(t, "push", c.path(source), quiet.Addr()+"/app:1")
			injected := &injector{fault: fault{"content cut", isUpload, 2, keepAll}}
			flaky := startSite(t, registry3.Options{Dir: t.TempDir(), Wrap: func(next http.Handler) http.Handler {
				return broken.wrap(injected.wrap(next))
			}})
			newCLI(t).must(t, "push", c.path(source), flaky.Addr()+"/app:1")
			checkServed(t, flaky.repo("app"), "1", want)
			if n := injected.count(); n != 2 {
				t.Errorf("the fault struck %d times, want 2", n)
			}
			if broken.sent > plain.sent {
				t.Errorf("%d bytes were sent, %d without the fault", broken.sent, plain.sent)
			}
		})
	}
}
