package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/retry"
	"drayage/internal/verify"
)

// progress is how many bytes make earlier breaks of an upload forgotten.
const progress = 1 << 20

// goOn continues an upload that cause has broken off: it asks how many bytes of it the registry has kept, and has send bring what follows
// them, as often as that moves on. It returns the last cause where the registry does not tell, or has kept nothing, or takes nothing more
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks).
func (r *Repository) goOn(ctx context.Context, location *url.URL, cause error, send func(held int64, at *url.URL) error) error {
	var backoff retry.Backoff
	first, last, held := int64(0), int64(0), int64(0)
	for stalls := 1; stalls <= maxUploads; stalls++ {
		if err := retry.Sleep(ctx, backoff.Delay(stalls)); err != nil {
			return err
		}
		n, at, err := r.uploaded(ctx, location, 0)
		if err != nil || n <= 0 {
			if !errors.As(err, new(*NetworkError)) && ctx.Err() == nil {
				r.forget()
			}
			return cause
		}
		if last = n; first == 0 {
			first = n
		}
		if n-held >= progress {
			held, stalls = n, 0
		}
		if err = send(n, at); !retry.IsTransient(err) || errors.Is(err, errOtherBytes) {
			return err
		}
		cause = err
	}
	if last == first { // the registry knows it, and it does not go on: the next try is not to meet it again
		r.forget()
	}
	return cause
}

// errOtherBytes says that what a registry has kept of an upload is not what was sent: the upload has to begin again.
var errOtherBytes = errors.New("the registry has kept other bytes of an upload than were sent")

// sendRest brings what follows the first held bytes of d, and closes the upload.
func (r *Repository) sendRest(ctx context.Context, at *url.URL, d v1.Descriptor, open func() (io.ReadCloser, error), held int64) error {
	if held > d.Size {
		return retry.Transient(errOtherBytes)
	}
	if held < d.Size {
		var err error
		if at, err = r.patchRest(ctx, at, d, open, held); err != nil {
			return err
		}
	}
	return r.commitResumed(ctx, at, d.Digest)
}

func (r *Repository) patchRest(ctx context.Context, at *url.URL, d v1.Descriptor, open func() (io.ReadCloser, error), held int64) (*url.URL, error) {
	rest := func() (io.ReadCloser, error) { return behind(open, held) }
	if r.host.small.Load() {
		rc, err := rest()
		if err != nil {
			return nil, err
		}
		defer rc.Close()
		return r.chunks(ctx, session{location: at, held: held}, rc)
	}
	req := r.uploadRequest(http.MethodPatch, at, http.StatusAccepted, http.StatusCreated, http.StatusNoContent)
	req.header.Set("Content-Type", octetStream)
	req.header.Set("Content-Range", fmt.Sprintf("%d-%d", held, d.Size-1))
	req.body = &body{length: d.Size - held, once: true, open: rest}
	resp, err := r.host.do(ctx, req)
	if isStatus(err, http.StatusRequestEntityTooLarge) {
		r.host.small.Store(true)
		err = retry.Transient(err)
	}
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	return resolveLocation(resp)
}

// commitResumed is commit for an upload that went on from what the registry had kept: if that was something else, all of it is sent again.
func (r *Repository) commitResumed(ctx context.Context, at *url.URL, d digest.Digest) error {
	err := r.commit(ctx, at, d, nil)
	if isStatus(err, http.StatusBadRequest) {
		return retry.Transient(fmt.Errorf("%w: %w", errOtherBytes, err))
	}
	return err
}

// behind opens content behind its first n bytes. These are read all the same: they are part of what is verified.
func behind(open func() (io.ReadCloser, error), n int64) (io.ReadCloser, error) {
	rc, err := open()
	if err != nil {
		return nil, err
	}
	if _, err = io.CopyN(io.Discard, rc, n); err == nil {
		return rc, nil
	}
	rc.Close()
	if err == io.EOF {
		return nil, retry.Transient(errOtherBytes) // it has more than there is
	}
	return nil, err
}

// uploaded asks how many bytes of an upload the registry has, and where it goes on.
func (r *Repository) uploaded(ctx context.Context, location *url.URL, tries int) (int64, *url.URL, error) {
	req := r.uploadRequest(http.MethodGet, location, http.StatusNoContent)
	req.tries = tries
	resp, err := r.host.do(ctx, req)
	if err != nil {
		return 0, nil, err
	}
	resp.Body.Close()
	next := location
	if resp.Header.Get("Location") != "" {
		if next, err = resolveLocation(resp); err != nil {
			return 0, nil, err
		}
	}
	return parseHeld(resp.Header.Get("Range")), next, nil
}

// parseHeld reads how many bytes of an upload a registry has, from the Range that it answers with. 0-0 means one byte, or none, and counts as none.
func parseHeld(v string) int64 {
	_, last, ok := strings.Cut(v, "0-")
	n, err := strconv.ParseInt(last, 10, 64)
	if !ok || err != nil || n <= 0 || n >= verify.MaxBlobSize {
		return 0
	}
	return n + 1
}
