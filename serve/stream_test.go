package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// bytesOf makes content that has no pattern.
func bytesOf(size int, seed uint64) []byte {
	p := make([]byte, size)
	src := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = src.Read(p)
	return p
}

// shaky is content whose bytes can be changed after they have got their digest, and whose reads can wait.
type shaky struct {
	shelfContent
	mu    sync.Mutex
	wrong map[digest.Digest]int64 // the byte that is flipped, by blob
	gate  func(ctx context.Context, d digest.Digest, offset int64) error
	opens atomic.Int64
	reads atomic.Int64 // bytes
}

func newShaky() *shaky {
	return &shaky{shelfContent: newContent(), wrong: map[digest.Digest]int64{}}
}

func (s *shaky) flip(d digest.Digest, at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong[d] = at
}

func (s *shaky) mend(d digest.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.wrong, d)
}

func (s *shaky) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	s.opens.Add(1)
	s.mu.Lock()
	raw := s.Content[d.Digest]
	if at, wrong := s.wrong[d.Digest]; wrong {
		raw = bytes.Clone(raw)
		raw[at] ^= 1
	}
	s.mu.Unlock()
	return &shakyReader{ctx: ctx, s: s, d: d.Digest, at: offset,
		SectionReader: image.Section(bytes.NewReader(raw), int64(len(raw)), offset, length)}, nil
}

type shakyReader struct {
	*io.SectionReader
	ctx context.Context
	s   *shaky
	d   digest.Digest
	at  int64
}

func (r *shakyReader) Read(p []byte) (int, error) {
	if r.s.gate != nil {
		if err := r.s.gate(r.ctx, r.d, r.at); err != nil {
			return 0, err
		}
	}
	n, err := r.SectionReader.Read(p)
	r.at += int64(n)
	r.s.reads.Add(int64(n))
	return n, err
}

func (r *shakyReader) Close() error { return nil }

// shelve serves blobs beside one image, so that there is a repository.
func shelve(t *testing.T, s *shaky, o Options) *trial {
	t.Helper()
	root := s.Put(v1.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"manifests":[]}`))
	return startWith(t, o, Shelf{Name: "shaky", Content: s, Images: []Image{
		{Names: []string{"localhost/r:1"}, Root: root}}})
}

func (tr *trial) blob(t *testing.T, d digest.Digest, header ...string) reply {
	t.Helper()
	return tr.get(t, "/v2/r/blobs/"+d.String(), header...)
}

var sizes = []int{0, 1, leastBlock - 1, leastBlock, leastBlock + 1, 2 * leastBlock, 5*leastBlock + 7}

func TestBlobs(t *testing.T) {
	s := newShaky()
	tr := shelve(t, s, Options{})
	for i, size := range sizes {
		d := s.Put("", bytesOf(size, uint64(i))).Digest
		for range 3 {
			r := tr.blob(t, d)
			if r.StatusCode != http.StatusOK || r.err != nil || r.body != string(s.Content[d]) ||
				r.ContentLength != int64(size) || r.Header.Get("Docker-Content-Digest") != d.String() {
				t.Errorf("%d bytes: %s, %d bytes, %v", size, r.Status, len(r.body), r.err)
			}
		}
		h := tr.do(t, http.MethodHead, "/v2/r/blobs/"+d.String(), "Range", "bytes=0-0")
		if h.StatusCode != http.StatusOK || h.ContentLength != int64(size) || h.body != "" ||
			h.Header.Get("Accept-Ranges") != "bytes" {
			t.Errorf("HEAD of %d bytes: %s, %d", size, h.Status, h.ContentLength)
		}
	}
}

// A blob that is wrong never reaches anybody whole, whatever part is asked for, and wherever it is wrong.
func TestWrongBlob(t *testing.T) {
	const size = 5*leastBlock + 7
	for _, wrong := range []int64{0, leastBlock, 3*leastBlock + 1, size - 1} {
		for _, ranged := range []string{"", "bytes=0-9", "bytes=200000-300000", "bytes=-1", "bytes=1-",
			"bytes=1-2,400000-400001"} {
			s := newShaky()
			tr := shelve(t, s, Options{})
			d := s.Put("", bytesOf(size, 1)).Digest
			s.flip(d, wrong)
			r := tr.cut(t, "/v2/r/blobs/"+d.String(), ranged)
			if r.err == nil && r.StatusCode < 300 {
				t.Errorf("wrong at %d, %q: %s with %d bytes", wrong, ranged, r.Status, len(r.body))
			}
			e := tr.last(t)
			if !errors.Is(e.Err, image.ErrIntegrity) || e.Reference != d.String() {
				t.Errorf("wrong at %d, %q: observed %+v", wrong, ranged, e)
			}
			s.mend(d)
			if r := tr.blob(t, d); r.err != nil || r.body != string(s.Content[d]) {
				t.Errorf("mended: %s, %d bytes, %v", r.Status, len(r.body), r.err)
			}
		}
	}
}

// What changes after the blob has been verified is not sent either. The rest is.
func TestBlobThatChanges(t *testing.T) {
	s := newShaky()
	tr := shelve(t, s, Options{})
	content := bytesOf(5*leastBlock+7, 1)
	d := s.Put("", content).Digest
	if r := tr.blob(t, d); r.err != nil {
		t.Fatal(r.err)
	}
	s.flip(d, 3*leastBlock)
	for _, ranged := range []string{"", fmt.Sprintf("bytes=%d-", 3*leastBlock), "bytes=0-400000"} {
		if r := tr.cut(t, "/v2/r/blobs/"+d.String(), ranged); r.err == nil && r.StatusCode < 300 {
			t.Errorf("%q: %s with %d bytes", ranged, r.Status, len(r.body))
		} else if e := tr.last(t); !errors.Is(e.Err, image.ErrIntegrity) {
			t.Errorf("%q: observed %+v", ranged, e)
		}
	}
	if r := tr.blob(t, d, "Range", "bytes=0-300000"); r.err != nil || r.body != string(content[:300001]) {
		t.Errorf("a right part: %s, %d bytes, %v", r.Status, len(r.body), r.err)
	}
}

// What one shelf has wrong comes from the next one.
func TestNextShelf(t *testing.T) {
	for _, size := range []int{100, 3 * leastBlock} {
		bad, good := newShaky(), newShaky()
		root := good.Put(v1.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"manifests":[]}`))
		bad.Put("", []byte(`{"schemaVersion":2,"manifests":[]}`))
		d := good.Put("", bytesOf(size, 1)).Digest
		bad.Put("", bytesOf(size, 1))
		bad.flip(d, 0)
		bad.flip(root.Digest, 0)
		tr := start(t, Shelf{Name: "bad", Content: bad, Images: []Image{
			{Names: []string{"localhost/r:1"}, Root: root}}}, Shelf{Name: "good", Content: good})
		if r := tr.get(t, "/v2/r/manifests/1"); r.StatusCode != http.StatusOK {
			t.Errorf("manifest: %s", r.Status)
		}
		r := tr.cut(t, "/v2/r/blobs/"+d.String(), "")
		if size > leastBlock && r.err != nil { // a part had been sent before the fault showed
			r = tr.blob(t, d)
		}
		if r.err != nil || r.body != string(good.Content[d]) {
			t.Errorf("%d bytes: %s with %d bytes, %v", size, r.Status, len(r.body), r.err)
		}
	}
}

// All who want a blob share one pass, and who comes along with it reads nothing.
func TestOnePass(t *testing.T) {
	s := newShaky()
	tr := shelve(t, s, Options{})
	content := bytesOf(40*leastBlock, 1)
	d := s.Put("", content).Digest
	if r := tr.blob(t, d); r.body != string(content) {
		t.Fatal("wrong bytes")
	}
	if got := s.reads.Load(); got != int64(len(content)) {
		t.Errorf("a client alone: %d bytes were read for %d", got, len(content))
	}
	e := s.Put("", bytesOf(40*leastBlock, 2)).Digest
	var starts atomic.Int64
	s.gate = func(_ context.Context, of digest.Digest, offset int64) error {
		if of == e && offset == 0 {
			starts.Add(1)
			time.Sleep(20 * time.Millisecond) // so that all have come
		}
		return nil
	}
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() {
			ranged := []string{"", "bytes=1000000-1200000", "bytes=-5"}[i%3]
			r := tr.cut(t, "/v2/r/blobs/"+e.String(), ranged)
			if r.err != nil || r.StatusCode > 206 || !strings.Contains(string(s.Content[e]), r.body) {
				t.Errorf("%q: %s, %d bytes, %v", ranged, r.Status, len(r.body), r.err)
			}
		})
	}
	group.Wait()
	if got := starts.Load(); got > 30 { // one pass, and streams that began behind it
		t.Errorf("the blob was begun %d times", got)
	}
}

// A pass that nobody waits for ends at once.
func TestPassEndsWithItsClients(t *testing.T) {
	s := newShaky()
	tr := shelve(t, s, Options{})
	d := s.Put("", bytesOf(10*leastBlock, 1)).Digest
	waits := make(chan struct{}, 100)
	s.gate = func(ctx context.Context, _ digest.Digest, offset int64) error {
		if offset < 2*leastBlock {
			return nil
		}
		waits <- struct{}{}
		<-ctx.Done()
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for _, ranged := range []string{"", "bytes=1000000-"} {
		group.Go(func() {
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, tr.url+"/v2/r/blobs/"+d.String(), nil)
			if ranged != "" {
				req.Header.Set("Range", ranged)
			}
			if resp, err := http.DefaultClient.Do(req); err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if err == nil {
					t.Error("the answer ended well")
				}
			}
		})
	}
	<-waits
	cancel()
	group.Wait()
	_, idle := tr.Replace(NewCatalog(nil))
	<-idle
	tr.prover.mu.Lock()
	defer tr.prover.mu.Unlock()
	if len(tr.prover.passes) > 0 {
		t.Errorf("%d passes run on", len(tr.prover.passes))
	}
}

// Ranges that wait for much to be verified do not hold up who is sent a whole blob, be it the same one.
func TestRangesStarveNobody(t *testing.T) {
	s := newShaky()
	tr := shelve(t, s, Options{})
	quick := s.Put("", bytesOf(40*leastBlock, 0)).Digest
	slow := map[digest.Digest]bool{}
	for i := range cap(tr.prover.rush) {
		slow[s.Put("", bytesOf(40*leastBlock, uint64(i+1))).Digest] = true
	}
	open := make(chan struct{})
	s.gate = func(ctx context.Context, d digest.Digest, offset int64) error {
		if slow[d] && offset >= 20*leastBlock {
			select {
			case <-open:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	}
	var group sync.WaitGroup
	for d := range slow {
		group.Go(func() { tr.cut(t, "/v2/r/blobs/"+d.String(), "bytes=-1") })
	}
	for len(tr.prover.rush) < cap(tr.prover.rush) {
		time.Sleep(time.Millisecond)
	}
	group.Go(func() { tr.cut(t, "/v2/r/blobs/"+quick.String(), "bytes=-1") }) // waits for its turn
	if r := tr.blob(t, quick); r.err != nil || r.body != string(s.Content[quick]) {
		t.Errorf("%s, %d bytes, %v", r.Status, len(r.body), r.err)
	}
	close(open)
	group.Wait()
}

// A client that takes nothing holds nobody up, and is cut off.
func TestClientThatStops(t *testing.T) {
	s := newShaky()
	tr := shelve(t, s, Options{Patience: 3 * time.Second})
	d := s.Put("", bytesOf(160*leastBlock, 1)).Digest // more than sockets hold
	conn, err := net.Dial("tcp", strings.TrimPrefix(tr.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v2/r/blobs/%s HTTP/1.1\r\nHost: a\r\n\r\n", d)
	for range 3 {
		if r := tr.blob(t, d); r.err != nil || r.body != string(s.Content[d]) {
			t.Errorf("%s, %d bytes, %v", r.Status, len(r.body), r.err)
		}
	}
	for {
		tr.mu.Lock()
		at := len(tr.events)
		var stopped bool
		for _, e := range tr.events[:at] {
			stopped = stopped || e.Cut && errors.Is(e.Err, context.Canceled)
		}
		tr.mu.Unlock()
		if stopped {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// With HTTP/2 a fault ends the stream and not the connection.
func TestHTTP2(t *testing.T) {
	s := newShaky()
	tr := shelve(t, s, Options{})
	server := httptest.NewUnstartedServer(tr.Registry)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	good, bad := s.Put("", bytesOf(9*leastBlock, 1)).Digest, s.Put("", bytesOf(9*leastBlock, 2)).Digest
	s.flip(bad, 8*leastBlock)
	for range 3 {
		for _, d := range []digest.Digest{bad, good} {
			resp, err := server.Client().Get(server.URL + "/v2/r/blobs/" + d.String())
			if err != nil {
				t.Fatal(err)
			}
			raw, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if right := err == nil && bytes.Equal(raw, s.Content[d]); right != (d == good) || resp.ProtoMajor != 2 {
				t.Errorf("%s: %s, %d bytes, %v", d, resp.Proto, len(raw), err)
			}
		}
	}
}
