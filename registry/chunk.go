package registry

import (
	"context"
	"errors"
	"io"
	"net/http"

	"drayage/internal/retry"
)

const (
	// chunkSize is the size of a chunk, for registries that take no whole blob in one request: proxies have
	// limits, and GHCR's own limit is 4 MiB. A chunk is held in memory, so that it can be sent again.
	chunkSize    = 4 << 20
	minChunkSize = 256 << 10
	maxChunkSize = 64 << 20
	// chunkBudget bounds what all chunks of a client hold together. Where a registry wants large chunks,
	// uploads wait for each other.
	chunkBudget = maxChunkSize
)

var errUnheard = errors.New("the registry answered before it had the whole blob")

// wantsChunks reports whether content was refused because it came in one body: that is too large, or of a
// stream does not say how large it is. It remembers the answer for all uploads to the registry.
func (h *host) wantsChunks(err error, stream bool) bool {
	var e *Error
	switch {
	case h.noPatch.Load() || errors.Is(err, errOtherBytes):
	case errors.Is(err, errUnheard): // some proxies pass on an empty body instead of one of unknown length
		h.sized.Store(true)
		return true
	case !errors.As(err, &e):
	case e.Status == http.StatusRequestEntityTooLarge:
		h.small.Store(true)
		return true
	case e.Status == http.StatusLengthRequired, e.Code == "DIGEST_INVALID", e.Code == "SIZE_INVALID":
		h.sized.Store(h.sized.Load() || stream)
		return stream
	}
	return false
}

// anew sends all content in a new upload.
func (u *upload) anew(ctx context.Context) error {
	u.abort(ctx)
	if err := u.begin(ctx); err != nil {
		return err
	}
	return u.send(ctx)
}

// chunks sends everything that the registry does not have in requests of limited size. It makes them
// smaller where something in front of the registry finds even these too large.
func (u *upload) chunks(ctx context.Context) error {
	size := max(chunkSize, u.least)
	release, err := u.place.host.client.reserve(ctx, size)
	if err != nil {
		return err
	}
	defer release()
	if _, err := u.opened(); err != nil {
		return err
	}
	defer u.content.Close()
	buf, have := make([]byte, size), 0
	for {
		n, err := io.ReadFull(u.content, buf[have:max(have, size)])
		if err != nil && !u.content.ended.Load() {
			return err
		}
		if have += n; have == 0 {
			return nil
		}
		n = min(have, size)
		err = u.patch(ctx, bytesBody(buf[:n]))
		switch {
		case isStatus(err, http.StatusRequestEntityTooLarge) && n > minChunkSize && n/2 >= u.least:
			size = n / 2
			continue
		case isStatus(err, http.StatusRequestedRangeNotSatisfiable, http.StatusNotFound):
			return retry.Transient(err) // the registry has come to another place than we think
		case err != nil:
			return err
		}
		have = copy(buf, buf[n:have])
	}
}

func (c *Client) reserve(ctx context.Context, size int) (release func(), _ error) {
	if c.chunks.Acquire(ctx, int64(size)) != nil {
		return nil, context.Cause(ctx)
	}
	return func() { c.chunks.Release(int64(size)) }, nil
}
