package serve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Of 64 clients at once most misbehave. They take nothing from the others, and leave nothing behind.
func TestHostileClients(t *testing.T) {
	s := newShaky()
	tr := shelve(t, s, Options{Memory: 20 << 20})
	var blobs []v1.Descriptor
	for i := range 5 {
		blobs = append(blobs, s.Put("", bytesOf((3*i+1)*leastBlock+i, uint64(i))))
	}
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for range 6 {
				d := blobs[r.IntN(len(blobs))]
				switch i % 4 {
				case 0:
					tr.demand(t, d, string(s.Content[d.Digest]))
				case 1:
					tr.abandon(t, d, r.Int64N(d.Size))
				case 2:
					tr.babble(t, garbage[r.IntN(len(garbage))])
				case 3:
					first := r.Int64N(d.Size)
					got := tr.cut(t, "/v2/r/blobs/"+d.Digest.String(), fmt.Sprintf("bytes=%d-", first))
					if got.err != nil || got.body != string(s.Content[d.Digest][first:]) {
						t.Errorf("%s from %d: %d bytes, %v", d.Digest, first, len(got.body), got.err)
					}
				}
			}
		})
	}
	group.Wait()
	tr.server.Close() // some have gone before their request was read
	_, idle := tr.Replace(NewCatalog(nil))
	<-idle // no request uses the shelf any more
	tr.prover.mu.Lock()
	defer tr.prover.mu.Unlock()
	if len(tr.prover.passes) > 0 || len(tr.prover.rush) > 0 {
		t.Errorf("%d passes, %d of them in a hurry", len(tr.prover.passes), len(tr.prover.rush))
	}
	for _, b := range []budget{tr.streams, tr.papers, tr.prover.memory} {
		if !b.free.TryAcquire(b.all) {
			t.Error("not all memory is free")
		}
	}
	for _, e := range tr.events {
		if e.Err != nil && !errors.Is(e.Err, context.Canceled) {
			t.Errorf("observed %v", e.Err)
		}
	}
}

// demand wants all of a blob.
func (tr *trial) demand(t *testing.T, d v1.Descriptor, want string) {
	if r := tr.cut(t, "/v2/r/blobs/"+d.Digest.String(), ""); r.err != nil || r.body != want {
		t.Errorf("%s: %d of %d bytes, %v", d.Digest, len(r.body), d.Size, r.err)
	}
}

// abandon reads some of a blob and goes.
func (tr *trial) abandon(t *testing.T, d v1.Descriptor, n int64) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(tr.url, "http://"))
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v2/r/blobs/%s HTTP/1.1\r\nHost: a\r\n\r\n", d.Digest)
	_, _ = io.CopyN(io.Discard, conn, n)
}

// garbage are requests that no client makes.
var garbage = []string{"", "\r\n", "\x16\x03\x01\x02", "GET", "GET /v2/ HTTP/9.9\r\n\r\n",
	"GET v2 HTTP/1.1\r\n\r\n",
	"GET /v2/../../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", "GET /v2/%zz HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /v2/" + strings.Repeat("a/", 100_000) + " HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /v2/r/blobs/sha256:" + strings.Repeat("a", 64) + "\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST /v2/r/blobs/uploads/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde",
	"PUT /v2/r/manifests/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
	"GET /v2/r/manifests/1 HTTP/1.1\r\nHost: a\r\nRange: " + strings.Repeat("bytes=0-0,", 5000) + "\r\n\r\n",
	"GET /v2/r/tags/list?n=1&n=2&last=%00 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /v2/_catalog?%ff HTTP/1.0\r\n\r\n",
	"GET http://other/v2/r/tags/list?ns=" + strings.Repeat("x", 9000) + " HTTP/1.1\r\nHost: a\r\n\r\n"}

// babble sends something that need not be a request. It gets an answer or none.
func (tr *trial) babble(t *testing.T, text string) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(tr.url, "http://"))
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, text)
	_ = conn.(*net.TCPConn).CloseWrite()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	if n, _ := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)); resp.StatusCode >= 500 &&
		resp.StatusCode != http.StatusHTTPVersionNotSupported || n > 10_000 {
		t.Errorf("%.100q: %s with %d bytes", text, resp.Status, n)
	}
}

// Who waits for memory may go, and gets it when others have ended.
func TestMemory(t *testing.T) {
	s := newShaky()
	tr := shelve(t, s, Options{Memory: 1})
	d := s.Put("", bytesOf(100*leastBlock, 1)).Digest
	begun := make(chan struct{}, 1000)
	open := make(chan struct{})
	s.gate = func(ctx context.Context, _ digest.Digest, _ int64) error {
		begun <- struct{}{}
		select {
		case <-open:
		case <-ctx.Done():
		}
		return context.Cause(ctx)
	}
	var group sync.WaitGroup
	group.Go(func() { tr.cut(t, "/v2/r/blobs/"+d.String(), "") })
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	group.Go(func() {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, tr.url+"/v2/r/blobs/"+d.String(), nil)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			t.Error("it was answered")
		}
	})
	if h := tr.do(t, http.MethodHead, "/v2/r/blobs/"+d.String()); h.StatusCode != http.StatusOK {
		t.Errorf("HEAD needs no memory: %s", h.Status)
	}
	cancel()
	close(open)
	group.Wait()
	if r := tr.blob(t, d); r.err != nil || r.body != string(s.Content[d]) {
		t.Errorf("%s, %v", r.Status, r.err)
	}
}

// Clients that take nothing of blobs keep others from blobs at most, and not from what is small.
func TestStalledReadersKeepNobodyFromManifests(t *testing.T) {
	s := newShaky()
	tr := shelve(t, s, Options{Memory: 8 * leastBlock})
	var all []digest.Digest
	for i := range 8 {
		all = append(all, s.Put("", bytesOf(100*leastBlock, uint64(i))).Digest) // more than sockets hold
	}
	for _, d := range all {
		conn, err := net.Dial("tcp", strings.TrimPrefix(tr.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /v2/r/blobs/%s HTTP/1.1\r\nHost: a\r\n\r\n", d)
	}
	for tr.streams.free.TryAcquire(1) {
		tr.streams.free.Release(1)
		time.Sleep(time.Millisecond)
	}
	for _, path := range []string{"/v2/r/manifests/1", "/v2/_catalog", "/v2/r/tags/list"} {
		if r := tr.do(t, http.MethodGet, path); r.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
}

// Many clients of one blob take the memory of its verification once.
func TestManyOfOneBlob(t *testing.T) {
	s := newShaky()
	tr := shelve(t, s, Options{Memory: 16 * leastBlock})
	d := s.Put("", bytesOf(100*leastBlock, 1)).Digest
	for range 8 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(tr.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /v2/r/blobs/%s HTTP/1.1\r\nHost: a\r\n\r\n", d)
		if _, err := io.ReadFull(conn, make([]byte, leastBlock/2)); err != nil {
			t.Fatal(err)
		}
	}
}
