//go:build linux

package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
)

// trafficPath is where the registry tells what has been asked of it and sent to it.
const trafficPath = "/-/traffic"

// traffic is what a registry has seen since it began.
type traffic struct {
	Received int64          // bytes of bodies
	Gets     map[string]int // GETs of each blob, by its path
}

// most is how many GETs the blob has had since before that has had most.
func (t traffic) most(before traffic) (most int) {
	for path, n := range t.Gets {
		most = max(most, n-before.Gets[path])
	}
	return most
}

// counter tells what a registry has seen.
type counter interface {
	traffic(context.Context) (traffic, error)
}

// asks reports whether a request is a GET of a blob.
func asksForBlob(method, path string) bool {
	return method == http.MethodGet && strings.Contains(path, "/blobs/sha256:")
}

// counting counts in the registry's own process.
type counting struct {
	next http.Handler

	mu   sync.Mutex
	seen traffic
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == trafficPath {
		c.mu.Lock()
		defer c.mu.Unlock()
		json.NewEncoder(w).Encode(c.seen)
		return
	}
	if asksForBlob(r.Method, r.URL.Path) {
		c.mu.Lock()
		c.seen.Gets[r.URL.Path]++
		c.mu.Unlock()
	}
	r.Body = countedBody{r.Body, c}
	c.next.ServeHTTP(w, r)
}

type countedBody struct {
	io.ReadCloser
	c *counting
}

func (b countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	b.c.seen.Received += int64(n)
	return n, err
}

// traffic asks the registry.
func (s *server) traffic(ctx context.Context) (t traffic, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+trafficPath, nil)
	if err != nil {
		return t, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return t, err
	}
	defer resp.Body.Close()
	return t, json.NewDecoder(resp.Body).Decode(&t)
}

// accessLog is a file in which nginx notes each request when it has ended, in a line with method and path.
type accessLog string

func (l accessLog) traffic(context.Context) (t traffic, err error) {
	f, err := os.Open(string(l))
	if err != nil {
		return t, err
	}
	t.Gets = map[string]int{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if method, path, _ := strings.Cut(lines.Text(), " "); asksForBlob(method, path) {
			t.Gets[path]++
		}
	}
	return t, errors.Join(lines.Err(), f.Close())
}
