//go:build linux

package serving

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// client pulls images with none of drayage's code.
type client struct {
	url  string
	http *http.Client
}

func newClient(t *testing.T, s *server) *client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{s.url, &http.Client{Transport: transport}}
}

// hangUp closes the connections that nothing uses.
func (c *client) hangUp() { c.http.CloseIdleConnections() }

// split is the repository, below the host of all names, and the tag.
func (p pulled) split() (repository, tag string) {
	name := strings.TrimPrefix(p.name, host+"/")
	at := strings.LastIndex(name, ":")
	return name[:at], name[at+1:]
}

// get is the body of a path below /v2/. The caller closes it.
func (c *client) get(ctx context.Context, path string, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/v2/"+path, nil)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(req)
	if err == nil && resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		resp.Body.Close()
		return nil, fmt.Errorf("%s: %s: %s", path, resp.Status, text)
	}
	return resp, err
}

// read reads what a descriptor says, in so many ranges, and compares the digest.
func (c *client) read(ctx context.Context, path string, d v1.Descriptor, ranges int64) error {
	hash := sha256.New()
	for i := range ranges {
		var header []string
		if ranges > 1 {
			header = []string{"Range", fmt.Sprintf("bytes=%d-%d", d.Size*i/ranges, d.Size*(i+1)/ranges-1)}
		}
		resp, err := c.get(ctx, path, header...)
		if err != nil {
			return err
		}
		if ranges > 1 && resp.StatusCode != http.StatusPartialContent {
			err = fmt.Errorf("a range is answered with %s", resp.Status)
		} else {
			_, err = io.Copy(hash, resp.Body)
		}
		resp.Body.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != d.Digest.Encoded() {
		return fmt.Errorf("%s: the digest is %s", path, got)
	}
	return nil
}

// pull gets an image by its tag, with every byte of it. Large blobs come in so many ranges.
func (c *client) pull(ctx context.Context, p pulled, ranges int64) error {
	repository, tag := p.split()
	if err := c.read(ctx, repository+"/manifests/"+tag, p.manifest, 1); err != nil {
		return err
	}
	for _, d := range p.blobs {
		n := ranges
		if d.Size < 1<<20 {
			n = 1
		}
		if err := c.read(ctx, repository+"/blobs/"+d.Digest.String(), d, n); err != nil {
			return err
		}
	}
	return nil
}

// together calls f n times at once and returns what went wrong.
func together(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
