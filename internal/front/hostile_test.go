package front_test

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"drayage/internal/front"
)

// send opens a connection, sends bytes, and reads what comes until the server ends it.
func send(t *testing.T, addr string, raw []byte) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	go func() { c.Write(raw); c.(*net.TCPConn).CloseWrite() }()
	got, _ := io.ReadAll(c)
	return string(got)
}

// Whatever bytes come, the server goes on, says nothing to people, and its log stays a log.
func TestGarbage(t *testing.T) {
	var o told
	var log bytes.Buffer
	f, stop := start(t, front.Options{Note: o.say, Warn: o.say, AccessLog: "-", Stdout: &log},
		http.HandlerFunc(hello))
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 4096)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	for name, raw := range map[string][]byte{
		"noise":       noise,
		"TLS":         {0x16, 3, 1, 0, 0xff, 1, 0, 0, 0xfb, 3, 3},
		"no host":     []byte("GET /v2/ HTTP/1.1\r\n\r\n"),
		"traversal":   []byte("GET /v2/../../../etc/passwd HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
		"no path":     []byte("GET * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
		"proxy":       []byte("GET http://evil/ HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n"),
		"connect":     []byte("CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n"),
		"odd method":  []byte("\x1b[31m /v2/ HTTP/1.1\r\nHost: a\r\n\r\n"),
		"two lengths": []byte("GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
		"smuggled": []byte("POST /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET"),
		"HTTP/2 rogue": []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\xff\xff\x01\xff"),
		"long header":  []byte("GET /v2/ HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"),
		"many headers": []byte("GET /v2/ HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 1<<18) + "\r\n"),
	} {
		if got := send(t, f.Addr(), raw); strings.Contains(got, "root:") || strings.Contains(got, "HTTP/1.1 3") {
			t.Errorf("%s: %q", name, got)
		}
	}
	long := []byte("GET /v2/ HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 1<<20))
	if got := send(t, f.Addr(), long); !strings.Contains(got, "431") {
		t.Errorf("a header of 1 MiB: %.100q", got)
	}
	get(t, http.DefaultClient, f.URL()+"/v2/")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if o.String() != "" {
		t.Errorf("people are told %q", o.String())
	}
	logged(t, log.String())
}

// A body is not waited for: the answer to a request with one comes at once, and the connection ends.
func TestBodiesAreNotWaitedFor(t *testing.T) {
	f, _ := start(t, front.Options{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusMethodNotAllowed)
	}))
	c, err := net.Dial("tcp", f.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	io.WriteString(c, "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\nx")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Fatal(resp, err)
	}
	if _, err := io.ReadAll(c); err != nil {
		t.Errorf("the connection stays open: %v", err)
	}
}

// Who has stopped to read, or to write its request, does not keep the server from its end.
func TestClientsThatStall(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 1<<20)
	f, stop := start(t, front.Options{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := w.Write(big); err != nil {
				return
			}
		}
	}))
	for _, request := range []string{"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET /v2/ HTTP/1.1\r\nHost:", ""} {
		for range 20 {
			c, err := net.Dial("tcp", f.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, request)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// Many at once, some of whom go away in the middle.
func TestCrowd(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 1<<20)
	f, _ := start(t, front.Options{Metrics: "127.0.0.1:0"}, http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { w.Write(big) }))
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			resp, err := http.Get(f.URL() + "/v2/")
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if i%2 == 0 {
				io.CopyN(io.Discard, resp.Body, 1000)
				return
			}
			if n, err := io.Copy(io.Discard, resp.Body); n != int64(len(big)) || err != nil {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
	}
	all.Wait()
	waitFor(t, func() bool {
		return strings.Contains(get(t, http.DefaultClient, f.MetricsURL()), "drayage_http_requests_in_flight 0\n")
	})
}
