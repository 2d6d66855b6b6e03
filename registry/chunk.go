package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"golang.org/x/sync/semaphore"

	"drayage/internal/retry"
)

const (
	// chunkSize is how much goes into one request where whole blobs are too large for one: proxies
	// have limits, and GHCR's own for such requests is 4 MiB. A chunk is held in memory, so that it can be sent again.
	chunkSize    = 4 << 20
	minChunkSize = 256 << 10
	maxChunkSize = 64 << 20
	// chunkBudget is what all chunks of a client may hold at once: where a registry wants large ones, uploads wait for each other.
	chunkBudget = maxChunkSize
)

// session is an upload that has been begun.
type session struct {
	location *url.URL
	held     int64 // what the registry has of it
	chunk    int   // the least that the registry takes in a chunk other than the last; 0: anything
}

// newSession reads the answer to a POST
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks).
func newSession(resp *http.Response) (session, error) {
	location, err := resolveLocation(resp)
	s := session{location: location}
	if n, perr := strconv.Atoi(resp.Header.Get("OCI-Chunk-Min-Length")); perr == nil && n > 0 {
		s.chunk = n
	}
	if s.chunk > maxChunkSize {
		return s, refuse("%s wants chunks of at least %d bytes", redact(resp.Request.URL), s.chunk)
	}
	return s, err
}

// chunks sends everything from content, which begins behind what the registry has, in requests of limited size and returns where the upload goes on. A registry behind
// something that finds even these too large makes them smaller.
func (r *Repository) chunks(ctx context.Context, s session, content io.Reader) (*url.URL, error) {
	size := max(chunkSize, s.chunk)
	release, err := r.host.client.reserve(ctx, size)
	if err != nil {
		return nil, err
	}
	defer release()
	buf := make([]byte, size)
	location, offset, held, ended := s.location, s.held, 0, false
	for {
		for held < size && !ended {
			n, err := content.Read(buf[held:size])
			held += n
			if err == io.EOF {
				ended = true
			} else if err != nil {
				return nil, err
			}
		}
		if held == 0 {
			return location, nil
		}
		n := min(held, size)
		next, err := r.patch(ctx, location, buf[:n], offset)
		if isStatus(err, http.StatusRequestEntityTooLarge) && n > minChunkSize && n/2 >= s.chunk {
			size = n / 2
			continue
		}
		if err != nil {
			return nil, err
		}
		location, offset = next, offset+int64(n)
		held = copy(buf, buf[n:held])
	}
}

// reserve waits until chunks of a size may be held.
func (c *Client) reserve(ctx context.Context, size int) (release func(), _ error) {
	c.mu.Lock()
	if c.chunks == nil {
		c.chunks = semaphore.NewWeighted(chunkBudget)
	}
	c.mu.Unlock()
	if err := c.chunks.Acquire(ctx, int64(size)); err != nil {
		return nil, context.Cause(ctx)
	}
	return func() { c.chunks.Release(int64(size)) }, nil
}

// patch sends one chunk.
func (r *Repository) patch(ctx context.Context, location *url.URL, chunk []byte, offset int64) (*url.URL, error) {
	req := r.uploadRequest(http.MethodPatch, location, http.StatusAccepted, http.StatusCreated, http.StatusNoContent)
	req.header.Set("Content-Type", octetStream)
	req.header.Set("Content-Range", fmt.Sprintf("%d-%d", offset, offset+int64(len(chunk))-1))
	req.body = bytesBody(chunk)
	resp, err := r.host.do(ctx, req)
	if isStatus(err, http.StatusRequestedRangeNotSatisfiable, http.StatusNotFound) {
		return nil, retry.Transient(err) // the session is not where we think it is: begin again
	}
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	next, err := resolveLocation(resp)
	if err == nil {
		r.remember(next)
	}
	return next, err
}
