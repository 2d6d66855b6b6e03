package serve

import (
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/imagetest"
	"drayage/internal/kind"
)

// shelfContent is content in memory.
type shelfContent struct{ imagetest.Store }

func newContent() shelfContent { return shelfContent{imagetest.NewStore()} }

func (c shelfContent) Stat(d digest.Digest) (v1.Descriptor, error) {
	raw, ok := c.Content[d]
	if !ok {
		return v1.Descriptor{}, kind.Errorf(fs.ErrNotExist, "no blob %s", d)
	}
	return v1.Descriptor{Digest: d, Size: int64(len(raw))}, nil
}

// trial is a registry that is asked by HTTP.
type trial struct {
	*Registry
	server *httptest.Server
	url    string
	asked  atomic.Int64 // requests
	mu     sync.Mutex
	events []Event
}

func start(t *testing.T, shelves ...Shelf) *trial {
	t.Helper()
	return startWith(t, Options{}, shelves...)
}

func startWith(t *testing.T, o Options, shelves ...Shelf) *trial {
	t.Helper()
	tr := &trial{}
	o.Observe = func(e Event) {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.events = append(tr.events, e)
	}
	tr.Registry = New(NewCatalog(shelves), o)
	tr.server = httptest.NewServer(tr.Registry)
	t.Cleanup(tr.server.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	tr.url = tr.server.URL
	return tr
}

// reply is an answer that has been read.
type reply struct {
	*http.Response
	body string
	err  error // of reading the body
}

func (tr *trial) do(t *testing.T, method, path string, header ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, tr.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	tr.asked.Add(1)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return reply{resp, string(raw), err}
}

func (tr *trial) get(t *testing.T, path string, header ...string) reply {
	t.Helper()
	return tr.do(t, http.MethodGet, path, header...)
}

// cut gets something that may break off before its headers.
func (tr *trial) cut(t *testing.T, path, ranged string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tr.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ranged != "" {
		req.Header.Set("Range", ranged)
	}
	tr.asked.Add(1)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{&http.Response{}, "", err}
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return reply{resp, string(raw), err}
}

// last is the event of the last request.
func (tr *trial) last(t *testing.T) Event {
	t.Helper()
	for t.Context().Err() == nil { // a client may have its answer before the event comes
		tr.mu.Lock()
		n := len(tr.events)
		if int64(n) >= tr.asked.Load() {
			defer tr.mu.Unlock()
			return tr.events[n-1]
		}
		tr.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	t.Fatal("nothing was observed")
	return Event{}
}

// failure is the code and message in the body of an answer.
func (r reply) failure(t *testing.T) (code, message string) {
	t.Helper()
	var body struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(r.body), &body); err != nil || len(body.Errors) != 1 {
		t.Fatalf("%d with %q, which is no error body: %v", r.StatusCode, r.body, err)
	}
	return body.Errors[0].Code, body.Errors[0].Message
}

func TestImage(t *testing.T) {
	content := newContent()
	layer := []byte(strings.Repeat("layer ", 100_000))
	root := imagetest.Image{Layers: []imagetest.Layer{imagetest.GzipLayer(layer)}}.Put(content.Put)
	tr := start(t, Shelf{Name: "here", Content: content, Images: []Image{
		{Names: []string{"docker.io/library/app:1"}, Root: root}}})
	m := tr.get(t, "/v2/docker.io/library/app/manifests/1")
	if m.StatusCode != http.StatusOK || m.body != string(content.Content[root.Digest]) {
		t.Fatalf("%d with %q", m.StatusCode, m.body)
	}
	for name, want := range map[string]string{"Content-Type": root.MediaType,
		"Docker-Content-Digest": root.Digest.String(), "Docker-Distribution-Api-Version": "registry/2.0"} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %q, not %q", name, got, want)
		}
	}
	var manifest v1.Manifest
	if err := json.Unmarshal([]byte(m.body), &manifest); err != nil {
		t.Fatal(err)
	}
	for _, d := range append(manifest.Layers, manifest.Config) {
		b := tr.get(t, "/v2/docker.io/library/app/blobs/"+d.Digest.String())
		if b.StatusCode != http.StatusOK || b.err != nil || b.body != string(content.Content[d.Digest]) {
			t.Errorf("%s: %d, %d bytes, %v", d.Digest, b.StatusCode, len(b.body), b.err)
		}
	}
}
