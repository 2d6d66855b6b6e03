package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/verify"
)

// Limits on lists. The busiest repositories have some tens of thousands of tags. Signed images have a handful
// of referrers, few have hundreds.
const (
	tagPage          = "1000"   // ECR refuses to give more at once
	maxTagPages      = 10_000   // some registries give fifty at once, whatever they are asked for
	maxTagBytes      = 16 << 20 // some hundred thousand tags, and what they take in memory
	maxReferrerPages = 100
	maxReferrerBytes = 16 << 20
	maxReferrers     = 10_000
)

var tagPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

// Tags lists the tags of the repository in the registry's order, each once. It leaves out what is no valid
// tag, and tells Client.Notify. It does not ask mirrors: they need not know all tags.
func (r *Repository) Tags(ctx context.Context) ([]string, error) {
	req, err := r.own.request(ctx, http.MethodGet, "/tags/list", http.StatusOK)
	if err != nil {
		return nil, err
	}
	query := req.url.Query()
	query.Set("n", tagPage)
	req.url.RawQuery = query.Encode()
	l := tagList{of: r.Name(), seen: map[string]bool{}}
	pages := pager{what: r.Name() + ": the list of tags", most: maxTagPages, size: maxTagBytes}
	if err := pages.read(ctx, r.own.host, req, l.add); err != nil {
		return nil, err
	}
	if l.invalid > 0 {
		r.own.host.client.notify(fmt.Sprintf("%s: left out are %d tags that are none, the first is %q",
			r.Name(), l.invalid, printable(l.firstInvalid, 100)))
	}
	return l.tags, nil
}

type tagList struct {
	of           string
	tags         []string
	seen         map[string]bool
	invalid      int
	firstInvalid string
}

func (l *tagList) add(h http.Header, raw []byte) error {
	if mediaTypeOf(h) == "text/html" {
		return refuse("%s: the answer is a web page, not a list of tags: is this address a registry?", l.of)
	}
	var page struct {
		Tags []string `json:"tags"`
	}
	if err := json.Unmarshal(raw, &page); err != nil {
		return refuse("%s: the list of tags is not valid JSON: %v", l.of, err)
	}
	for _, t := range page.Tags {
		switch {
		case !tagPattern.MatchString(t):
			if l.invalid++; l.invalid == 1 {
				l.firstInvalid = t
			}
		case !l.seen[t]:
			l.seen[t] = true
			l.tags = append(l.tags, t)
		}
	}
	return nil
}

// Referrers lists the manifests that name d as their subject: signatures, SBOMs and the like. A registry
// without the referrers API is asked for the tag that stands in for it.
func (r *Repository) Referrers(ctx context.Context, d digest.Digest) ([]v1.Descriptor, error) {
	if err := verify.Digest(d); err != nil {
		return nil, err
	}
	all, err := r.own.referrersAPI(ctx, d)
	if errors.Is(err, errNoReferrersAPI) {
		all, err = r.own.referrersTag(ctx, d)
	}
	return all, err
}

var errNoReferrersAPI = errors.New("no referrers API")

func (p *place) referrersAPI(ctx context.Context, d digest.Digest) (all []v1.Descriptor, _ error) {
	req, err := p.request(ctx, http.MethodGet, "/referrers/"+d.String(), http.StatusOK)
	if err != nil {
		return nil, err
	}
	pages := pager{what: "referrers of " + d.String(), most: maxReferrerPages, size: maxReferrerBytes}
	err = pages.read(ctx, p.host, req, func(h http.Header, raw []byte) error {
		if mediaTypeOf(h) != v1.MediaTypeImageIndex {
			return errNoReferrersAPI
		}
		index, err := image.ParseManifest(v1.MediaTypeImageIndex, raw)
		if err != nil {
			return fmt.Errorf("referrers of %s: %w", d, err)
		}
		if all = append(all, index.Manifests...); len(all) > maxReferrers {
			return fmt.Errorf("referrers of %s: more than %d", d, maxReferrers)
		}
		return nil
	})
	if len(all) == 0 && (isRefused(err) || isAnswer(err) && errors.Is(err, ErrNotFound)) {
		return nil, errNoReferrersAPI
	}
	return all, err
}

func (p *place) referrersTag(ctx context.Context, d digest.Digest) ([]v1.Descriptor, error) {
	_, raw, err := p.resolve(ctx, ReferrersTag(d))
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	index, err := image.ParseManifest("", raw)
	return index.Manifests, err
}

// ReferrersTag is the tag under which a registry without the referrers API keeps the referrers of d
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#referrers-tag-schema).
func ReferrersTag(d digest.Digest) string {
	algorithm, encoded := d.Algorithm().String(), d.Encoded()
	return algorithm[:min(len(algorithm), 32)] + "-" + encoded[:min(len(encoded), 64)]
}

// CosignTags are the tags under which cosign puts the signatures, attestations and SBOM of the manifest d
// where it does not use referrers.
func CosignTags(d digest.Digest) []string {
	stem := ReferrersTag(d)
	return []string{stem + ".sig", stem + ".att", stem + ".sbom"}
}

// pager reads a list that may be spread over several answers.
type pager struct {
	what string // the list, for errors
	most int    // answers
	size int64  // bytes that may come
	seen map[string]bool
}

// read sends req and the requests for the pages that follow, and gives the answers to add.
func (l *pager) read(ctx context.Context, h *host, req *request, add func(http.Header, []byte) error) error {
	l.seen = map[string]bool{}
	for left := l.size; ; {
		if err := l.visit(req.url, left); err != nil {
			return err
		}
		resp, raw, err := h.read(ctx, req, left)
		if err != nil {
			return err
		}
		left -= int64(len(raw) + len(resp.Header.Get("Link"))) // addresses are kept too
		if err := add(resp.Header, raw); err != nil {
			return err
		}
		next, err := nextPage(req.url, resp)
		if err != nil {
			return fmt.Errorf("%s: %w", l.what, err)
		}
		if next == nil {
			return nil
		}
		req = &request{method: req.method, url: next, header: http.Header{}, scope: req.scope, accept: req.accept}
	}
}

func (l *pager) visit(page *url.URL, left int64) error {
	switch key := page.RequestURI(); {
	case l.seen[key]:
		return refuse("%s leads in a circle, after %d pages", l.what, len(l.seen))
	case len(l.seen) == l.most:
		return refuse("%s has more than %d pages", l.what, l.most)
	case left <= 0:
		return refuse("%s is larger than %d bytes", l.what, l.size)
	default:
		l.seen[key] = true
		return nil
	}
}

// nextPage is where an answer says that the list goes on, or nil. It has to be of the same origin as the
// page before, because it is asked for with the same credentials.
func nextPage(from *url.URL, resp *http.Response) (*url.URL, error) {
	link := nextLink(resp.Header.Values("Link"))
	if link == "" {
		return nil, nil
	}
	next, err := told(resp.Request.URL, link)
	if err != nil {
		return nil, refuse("the Link to the next page is no address")
	}
	restorePort(next, resp.Request.URL)
	if !sameOrigin(from, next) {
		return nil, refuse("the Link to the next page leads to another host: %s", redact(next))
	}
	next.Host, next.User, next.Fragment = from.Host, nil, ""
	return next, nil
}
