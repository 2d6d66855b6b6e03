//go:build linux

package serving

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// clients is how many pull at once.
const clients = 64

// TestManyPulls has 64 clients pull an image at once, some of them in ranges. Memory and open files stay
// bounded, nothing is written to disk, and nothing is left when they have gone.
func TestManyPulls(t *testing.T) {
	const layer = 40_000_000
	a := newArchive(t).add("team/app", "1", 1, layer, 3_000_000)
	tar := a.tar()
	idle := idleGoroutines(t, a.images[0], tar)
	s := start(t, tar)
	c := newClient(t, s)
	before := s.quiet(c, a.images[0])
	err := together(
		clients,
		func(i int) error { return c.pull(t.Context(), a.images[0], []int64{1, 1, 1, 4}[i%4]) },
	)
	if err != nil {
		t.Error(err)
	}
	peak := s.peak() // of 2.8 GB that are sent
	if peak > 100 {
		t.Errorf("the server has held %d MiB", peak)
	}
	if n := s.field("io", "write_bytes"); n != 0 {
		t.Errorf("%d bytes were written to disk", n)
	}
	c.hangUp()
	s.rests()
	s.settles(before)
	if n := s.goroutines(); n > idle {
		t.Errorf("%d goroutines are left, and an idle server has %d:\n%s", n, idle, s.log)
	}
	came(t, fmt.Sprintf("all arrive; the server holds at most %d MiB and writes 0 bytes to disk", peak))
}

// TestRudeClients has clients that read slowly, hang up in the middle, send garbage or nothing at all.
// Others pull meanwhile, and the server ends within its grace although some still read.
func TestRudeClients(t *testing.T) {
	a := newArchive(t).add("team/app", "1", 2, 20_000_000).addMany(8)
	tar := a.tar()
	idle := idleGoroutines(t, a.images[0], tar)
	s := start(t, tar)
	c, app := newClient(t, s), a.images[0]
	before := s.quiet(c, app)
	blob := "team/app/blobs/" + app.blobs[0].Digest.String()
	open := func(path string) io.ReadCloser {
		resp, err := c.get(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Body
	}
	var slow []io.ReadCloser
	for range clients {
		body := open(blob)
		if _, err := io.CopyN(io.Discard, body, 1000); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, body)
	}
	sockets := silent(t, s.addr(), 200)
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		garbage(t, s.addr(), random)
	}
	if err := together(clients, func(i int) error { return abort(c, t, blob, int64(i)*100_000) }); err != nil {
		t.Error(err)
	}
	if err := together(8, func(i int) error { return c.pull(t.Context(), a.images[1+i], 1) }); err != nil {
		t.Errorf("beside slow readers: %v", err)
	}
	if err := c.pull(t.Context(), app, 3); err != nil {
		t.Errorf("beside slow readers: %v", err)
	}
	for _, body := range slow {
		body.Close()
	}
	for _, socket := range sockets {
		socket.Close()
	}
	c.hangUp()
	s.rests()
	s.settles(before)
	peak := s.peak()
	if peak > 100 {
		t.Errorf("the server has held %d MiB", peak)
	}
	if n := s.goroutines(); n > idle {
		t.Errorf("%d goroutines are left, and an idle server has %d:\n%s", n, idle, s.log)
	}
	came(t, fmt.Sprintf("9 other pulls beside them arrive; the server holds at most %d MiB", peak))
}

// silent opens connections that say nothing, or only the beginning of a request.
func silent(t *testing.T, addr string, n int) (all []net.Conn) {
	t.Helper()
	for i := range n {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if i%2 == 0 {
			fmt.Fprintf(conn, "GET /v2/ HTTP/1.1\r\nHost: %s\r\nX-", addr)
		}
		all = append(all, conn)
	}
	return all
}

// garbage sends what is no request, or a strange one, and reads the answer to its end.
func garbage(t *testing.T, addr string, random *rand.Rand) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(stopTimeout))
	junk := make([]byte, random.IntN(300))
	for i := range junk {
		junk[i] = byte(random.Uint32())
	}
	text := string(junk)
	if random.IntN(2) == 0 {
		method := []string{"GET", "HEAD", "PUT", "DELETE", "POST", "PATCH", "TRACE", "x"}[random.IntN(8)]
		path := strings.Map(func(r rune) rune {
			if r <= ' ' || r > '~' {
				return '%'
			}
			return r
		}, text)
		text = fmt.Sprintf(
			"%s /v2/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: bytes=%d-%d\r\n\r\n",
			method,
			path,
			random.Int64(),
			random.IntN(100),
		)
	}
	io.WriteString(conn, text) // it may have hung up already
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.CloseWrite()
	}
	answer, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("no end of the answer to %q: %q", text, answer)
	}
}

// abort reads so much of a blob and hangs up.
func abort(c *client, t *testing.T, path string, after int64) error {
	resp, err := c.get(t.Context(), path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.CopyN(io.Discard, resp.Body, after)
	return err
}

// TestStop asks a server to end while clients read. Those that go on reading get everything, those that do
// not are cut off after the grace, and the exit code is 0.
func TestStop(t *testing.T) {
	const first = 15_000_000 // bytes, so that a machine that is busy sends the rest within the grace
	a := newArchive(t).add("team/app", "1", 3, 30_000_000)
	s := start(t, a.tar(), "--grace", "5s")
	c := newClient(t, s)
	d := a.images[0].blobs[0]
	blob := "team/app/blobs/" + d.Digest.String()
	var bodies []*http.Response
	for range 8 {
		resp, err := c.get(t.Context(), blob)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		bodies = append(bodies, resp)
	}
	err := together(7, func(i int) error {
		_, err := io.CopyN(io.Discard, bodies[i].Body, first)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGTERM)
	refused := func() bool {
		conn, err := net.Dial("tcp", s.addr())
		if err == nil {
			conn.Close()
		}
		return err != nil
	}
	for deadline := time.Now().Add(stopTimeout); !refused(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server goes on accepting connections")
		}
	}
	err = together(7, func(i int) error {
		if n, err := io.Copy(io.Discard, bodies[i].Body); err != nil || n != d.Size-first {
			return fmt.Errorf("a reader has got %d of the last %d bytes: %v", n, d.Size-first, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if n, err := io.Copy(io.Discard, bodies[7].Body); err == nil && n == d.Size {
		t.Error("the last reader had everything already: the test shows nothing")
	}
	came(t, "nobody else gets in, 7 get everything, the last is cut off after the grace")
}
