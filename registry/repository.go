package registry

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/verify"
)

// Repository is one repository of a registry, for reading. It is an [image.Source] of the blobs and
// manifests in it; [Repository.Pusher] writes. If [Client.Endpoints] names mirrors, Resolve, Raw, Open,
// Stat and Quota ask those first. All other methods ask the endpoint that is pushed to, or the first mirror
// if that endpoint is not to be read from. A Repository may be used concurrently.
type Repository struct {
	own     *place   // where pushes go
	asked   *place   // what has the word on tags and referrers: own, unless nothing may be read there
	readers []*place // where to read from
	history history
}

// Name is the repository with its registry: docker.io/library/alpine.
func (r *Repository) Name() string { return r.own.Name() }

// Path is what the repository is called in its registry: library/alpine.
func (r *Repository) Path() string { return r.own.path }

// Registry is the name of the registry: docker.io.
func (r *Repository) Registry() string { return r.own.registry }

// Root is the address of the API that the repository is pushed to. It has a scheme only if one was given.
// Registries of the same name may differ in it.
func (r *Repository) Root() string { return r.own.host.at.String() }

// SameRegistry reports whether two repositories are in the same registry, so that a blob can be mounted from
// one into the other.
func (r *Repository) SameRegistry(other *Repository) bool { return r.own.host == other.own.host }

// Beside returns another repository of the same registry, by its path there.
func (r *Repository) Beside(path string) *Repository {
	return r.own.host.client.Repository(Reference{Registry: r.own.registry, Repository: path})
}

// Resolve asks for the manifest that a tag or digest stands for and returns its descriptor and bytes. The
// digest is computed from the bytes, and compared with target if that is a digest. A manifest in Docker's
// schema 1 comes without its signatures, as image.Schema1, because its digest is that of the rest.
func (r *Repository) Resolve(ctx context.Context, target string) (d v1.Descriptor, raw []byte, err error) {
	err = r.reading(ctx, isTag(target), func(ctx context.Context, from *place) (err error) {
		d, raw, err = from.resolve(ctx, target)
		return err
	})
	return d, raw, err
}

// Raw is Resolve for those who look at a manifest and do not use it. It takes manifests of any kind, keeps
// signatures, and its descriptor has the media type that the registry says.
func (r *Repository) Raw(ctx context.Context, target string) (d v1.Descriptor, raw []byte, err error) {
	err = r.reading(ctx, isTag(target), func(ctx context.Context, from *place) (err error) {
		d, raw, err = from.raw(ctx, target)
		return err
	})
	return d, raw, err
}

// Digest asks what manifest a tag or digest stands for. The answer is the registry's word, or empty where the
// registry has none. Only where HEAD does not tell, the manifest is fetched.
func (r *Repository) Digest(ctx context.Context, target string) (digest.Digest, error) {
	return r.asked.digest(ctx, target)
}

// Exists reports whether the repository has a blob, by the registry's word. A registry that refuses to say is
// taken to have none: a push finds out what is allowed.
func (r *Repository) Exists(ctx context.Context, d v1.Descriptor) (bool, error) {
	if r.own.noPush != nil {
		return false, r.own.noPush
	}
	return r.own.exists(ctx, d)
}

// Holds reports whether the repository has a blob in the size that d says, by the registry's word. It is for
// those who rely on it: what a registry refuses to say is an error, and where it tells no size, the answer is
// no.
func (r *Repository) Holds(ctx context.Context, d v1.Descriptor) (bool, error) {
	if err := verify.Descriptor(d); err != nil {
		return false, err
	}
	resp, err := r.asked.look(ctx, "/blobs/"+d.Digest.String())
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && resp.ContentLength == d.Size && !isPage(resp.Header), err
}

// Stat asks how large a blob is if only its digest is known. The size is the registry's word; the
// descriptor's media type says nothing about the content.
func (r *Repository) Stat(ctx context.Context, d digest.Digest) (desc v1.Descriptor, err error) {
	err = r.reading(ctx, false, func(ctx context.Context, from *place) (err error) {
		desc, err = from.stat(ctx, d)
		return err
	})
	return desc, err
}

// quotaPatience bounds the wait for an answer that nobody needs.
const quotaPatience = 5 * time.Second

// Quota is how many pulls a registry still grants, as Docker Hub says it.
type Quota struct {
	Limit     int
	Remaining int
	Window    time.Duration // in which Limit pulls are granted; 0: not said
	Source    string        // whose pulls are counted, an address or an account's number; empty: not said
}

// Quota asks what is left of the pulls that the registry grants. It costs no pull. The answer is nil if the
// registry does not say, as most do not, or cannot be asked.
func (r *Repository) Quota(ctx context.Context, target string) *Quota {
	ctx, cancel := context.WithTimeout(ctx, quotaPatience)
	defer cancel()
	var q *Quota
	_ = r.reading(ctx, isTag(target), func(ctx context.Context, from *place) error {
		req, err := from.request(ctx, http.MethodHead, "/manifests/"+target,
			http.StatusOK, http.StatusTooManyRequests)
		if err != nil {
			return err
		}
		req.tries = 1
		resp, err := from.host.answer(ctx, req)
		if err == nil {
			q = parseQuota(resp.Header)
		}
		return err
	})
	return q
}

func parseQuota(h http.Header) *Quota {
	limit, window, ok := parseLimit(h.Get("RateLimit-Limit"))
	remaining, _, known := parseLimit(h.Get("RateLimit-Remaining"))
	if !ok || !known {
		return nil
	}
	source := printable(h.Get("Docker-RateLimit-Source"), 100)
	return &Quota{Limit: limit, Remaining: remaining, Window: window, Source: source}
}

// parseLimit reads a number of pulls and the seconds that it is for: 100;w=21600.
func parseLimit(v string) (n int, window time.Duration, ok bool) {
	v, _, _ = strings.Cut(v, ",")
	number, params, _ := strings.Cut(v, ";")
	n, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || n < 0 {
		return 0, 0, false
	}
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if s, err := strconv.ParseInt(value, 10, 32); err == nil && s > 0 && strings.EqualFold(name, "w") {
			window = time.Duration(s) * time.Second
		}
	}
	return n, window, true
}
