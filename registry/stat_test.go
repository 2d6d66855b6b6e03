package registry

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/fakeregistry"
)

func TestStat(t *testing.T) {
	heads := fakeregistry.Match{Method: http.MethodHead, Path: "/blobs/"}
	for name, tc := range map[string]struct {
		fault fakeregistry.Fault
		gets  int
	}{
		"HEAD":                  {nil, 0},
		"HEAD forbidden":        {fakeregistry.Status(403), 1},
		"HEAD not allowed":      {fakeregistry.Status(405), 1},
		"HEAD without a length": {fakeregistry.Status(200, "Transfer-Encoding", "chunked"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				content := noise(1 << 20)
				put := w.reg.PutBlob("app", content)
				if tc.fault != nil {
					w.reg.On(heads, tc.fault)
				}
				got, err := w.repo("app").Stat(w.Context(), put.Digest)
				if err != nil {
					w.Fatal(err)
				}
				if diff := cmp.Diff(v1.Descriptor{MediaType: "application/octet-stream", Digest: put.Digest,
					Size: 1 << 20}, got); diff != "" {
					w.Error(diff)
				}
				if n := len(w.reg.Requests("GET", "/blobs/")); n != tc.gets {
					w.Errorf("%d GET requests", n)
				}
			})
		})
	}
}

func TestStatOfWhatIsNotThere(t *testing.T) {
	inBubble(t, func(w *world) {
		if _, err := w.repo("app").Stat(w.Context(), digest.FromString("x")); !errors.Is(err, ErrNotFound) {
			w.Errorf("absent: %v", err)
		}
		if _, err := w.repo("app").Stat(w.Context(), "sha256:../../x"); err == nil ||
			len(w.reg.Requests("", "x")) > 0 {
			w.Errorf("a bad digest: %v", err)
		}
		w.reg.On(fakeregistry.Match{Path: "/blobs/"}, func(http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.(http.Flusher).Flush() })
		})
		var refused *refusal
		if _, err := w.repo("app").Stat(w.Context(), digest.FromString("x")); !errors.As(err, &refused) {
			w.Errorf("a size that nobody tells: %v", err)
		}
	})
}
