package roundtrip

import (
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/test/registry3"
	"drayage/test/sample"
)

// cutter lets a part of the first large body in, holds the connection until it is released, and then ends it:
// what the sender had sent meanwhile is lost.
type cutter struct {
	after    int64
	once     sync.Once
	reached  chan struct{} // closed when the part is in
	released chan struct{}
}

func newCutter(after int64) *cutter {
	return &cutter{after: after, reached: make(chan struct{}), released: make(chan struct{})}
}

func (c *cutter) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isUpload(r) {
			r.Body = &cutBody{ReadCloser: r.Body, cutter: c, left: c.after}
		}
		next.ServeHTTP(w, r)
	})
}

type cutBody struct {
	io.ReadCloser
	cutter *cutter
	left   int64
	ours   bool // it is the one to cut
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		b.cutter.once.Do(func() { b.ours = true })
		if b.ours {
			close(b.cutter.reached)
			<-b.cutter.released
			return 0, io.ErrUnexpectedEOF
		}
		return b.ReadCloser.Read(p)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// What distribution has kept of the layer that a killed push was at is not sent again by the next.
func TestPushGoesOnAfterAKill(t *testing.T) {
	big, err := sample.BuildBig(t.Context(), t.TempDir(), 32<<20)
	if err != nil {
		t.Fatal(err)
	}
	connected := startSite(t, registry3.Options{Dir: t.TempDir()})
	if err := big.Seed(t.Context(), connected.repo("big"), "1"); err != nil {
		t.Fatal(err)
	}
	want := identity{id: digest.FromBytes(big.Config), diffIDs: []digest.Digest{big.DiffID}}
	c := newCLI(t)
	c.must(t, "fetch", connected.Addr()+"/big:1", "-o", "images")
	c.must(t, "save", "images", "-o", "image.tar")
	for _, source := range []string{"images", "image.tar"} {
		t.Run(source, func(t *testing.T) {
			plain, killed := &counting{}, &counting{}
			quiet := startSite(t, registry3.Options{Dir: t.TempDir(), Wrap: plain.wrap})
			once := newCLI(t).must(t, "push", c.path(source), quiet.Addr()+"/big:1")
			cut := newCutter(plain.sent / 2)
			private := startSite(t, registry3.Options{Dir: t.TempDir(), Wrap: func(next http.Handler) http.Handler {
				return killed.wrap(cut.wrap(next))
			}})
			pusher := newCLI(t)
			pusher.killAt(t, cut, "push", c.path(source), private.Addr()+"/big:1")
			again := pusher.must(t, "push", c.path(source), private.Addr()+"/big:1")
			checkServedIdentity(t, private.repo("big"), "1", want)
			if killed.sent > plain.sent+int64(len(big.Config)) { // which may not have been stored when the kill came
				t.Errorf("%d bytes arrived, %d without the kill", killed.sent, plain.sent)
			}
			if got, want := pushedDigest(again), pushedDigest(once); got != want {
				t.Errorf("pushed as %s, without the kill as %s", got, want)
			}
			if left, err := os.ReadDir(pusher.path("cache/drayage/layers/uploads")); err != nil || len(left) != 0 {
				t.Errorf("%v, %v: an upload is still remembered", left, err)
			}
		})
	}
}

// pushedDigest is that of the only image that was pushed.
func pushedDigest(r result) string {
	_, d, _ := strings.Cut(r.stdout, "@")
	return d
}

// killAt kills a run of drayage when the cutter's part has arrived.
func (c *cli) killAt(t *testing.T, cut *cutter, args ...string) {
	t.Helper()
	cmd := c.command(t, binary, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	select {
	case <-cut.reached:
	case <-ended:
		t.Error("it has ended before it was killed")
	}
	cmd.Process.Kill()
	<-ended
	close(cut.released)
}
