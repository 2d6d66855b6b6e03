package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/plaintext"
	"drayage/internal/verify"
)

// maxReferrers bounds a list of referrers. Signed images have a handful, few have hundreds.
const maxReferrers = 10_000

// validName reports whether a name is made of the characters of tags, and more, and is not too long.
func validName(name, more string, longest int) bool {
	for i := range len(name) {
		c := name[i]
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
		if !plain && (i == 0 || strings.IndexByte(more, c) < 0) {
			return false
		}
	}
	return name != "" && len(name) <= longest
}

func validTag(name string) bool { return validName(name, ".-", 128) }

func validRepository(name string) bool { return validName(name, ".-/", 255) }

// Tags lists the tags of the repository in the registry's order, each once. It leaves out what is no valid
// tag, and tells Client.Observe. It asks a mirror, which need not know all tags, only where
// the registry itself is not to be asked. If the list breaks off, Tags returns what came before together with
// the error.
func (r *Repository) Tags(ctx context.Context) ([]string, error) {
	req, err := r.asked.request(ctx, http.MethodGet, "/tags/list", http.StatusOK)
	if err != nil {
		return nil, err
	}
	l := nameList{what: r.Name() + ": the list of tags", kind: "tags", valid: validTag}
	return l.read(ctx, r.asked.host, req)
}

// Repositories lists the repositories of a registry in its order, each once, as far as the registry shows
// them to this user. Not all registries offer such a list: the error then is an *Error.
// If the list breaks off, Repositories returns what came before together with the error.
func (c *Client) Repositories(ctx context.Context, registry string) ([]string, error) {
	p := c.Repository(Reference{Registry: registry}).own
	if p.noRead != nil {
		return nil, p.noRead
	}
	u, err := p.host.url(ctx, "_catalog")
	if err != nil {
		return nil, err
	}
	req := &request{method: http.MethodGet, url: u, header: http.Header{}, scope: catalogScope,
		accept: []int{http.StatusOK}}
	l := nameList{what: registry + ": the list of repositories", kind: "repositories", valid: validRepository}
	names, err := l.read(ctx, p.host, req)
	var refused *Error
	if len(names) == 0 && errors.As(err, &refused) && !refused.passing() {
		err = fmt.Errorf("the registry does not list its repositories, or not to you: %w", err)
	}
	return names, err
}

// nameList is a list of tags or repositories.
type nameList struct {
	what         string
	kind         string // tags or repositories
	valid        func(string) bool
	names        []string
	seen         map[string]bool
	invalid      int
	firstInvalid string
}

// listed is a name in a list. A number is meant as its text: tags are made from YAML, in which 1.10 is none.
// Anything else becomes a text that is no name.
type listed string

// UnmarshalJSON implements json.Unmarshaler.
func (l *listed) UnmarshalJSON(raw []byte) error {
	switch c := raw[0]; {
	case c == '"' && bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw): // as nearly all
		*l = listed(raw[1 : len(raw)-1])
	case c == '"':
		return json.Unmarshal(raw, (*string)(l))
	case c >= '0' && c <= '9':
		*l = listed(raw)
	default:
		*l = "JSON " + listed(raw)
	}
	return nil
}

func (l *nameList) read(ctx context.Context, h *host, req *request) ([]string, error) {
	pages := pager{what: l.what, host: h, first: req, add: l.add}
	err := pages.readNumbered(ctx)
	if l.invalid > 0 {
		h.client.notify(fmt.Sprintf("%s: left out are %d %s that are none, the first is %q",
			l.what, l.invalid, l.kind, printable(l.firstInvalid, 100)))
	}
	return l.names, err
}

func (l *nameList) add(h http.Header, raw []byte) (entries int, _ error) {
	if isPage(h) {
		return 0, refusePage("%s: the answer is a web page: is this address a registry?", l.what)
	}
	var page struct {
		Tags, Repositories []listed
		Errors             []json.RawMessage
	}
	if len(l.names)+l.invalid+bytes.Count(raw, []byte{','}) >= maxNames { // before they take memory
		return 0, refuse("%s has more than %d %s", l.what, maxNames, l.kind)
	}
	names := &page.Tags
	if l.kind == "repositories" {
		names = &page.Repositories
	}
	raw = plaintext.UTF8(raw)
	*names = make([]listed, 0, 1+bytes.Count(raw, []byte(`","`)))
	if json.Unmarshal(raw, &page) != nil {
		return 0, refuse("%s is none: %q", l.what, printable(string(raw), 60))
	}
	if len(*names) == 0 && len(page.Errors) > 0 {
		code, message := parseErrorBody("", raw)
		return 0, refuse("%s: there is an error in its place: %s %s", l.what, code, message)
	}
	l.take(*names)
	return len(*names), nil
}

func (l *nameList) take(names []listed) {
	if l.seen == nil { // mostly there is one page
		l.seen, l.names = make(map[string]bool, len(names)), make([]string, 0, len(names))
	}
	for _, n := range names {
		name := string(n)
		switch {
		case !l.valid(name):
			if l.invalid++; l.invalid == 1 {
				l.firstInvalid = name
			}
		case !l.seen[name]:
			l.seen[name] = true
			l.names = append(l.names, name)
		}
	}
}

// Referrers lists the manifests that name d as their subject: signatures, SBOMs and the like. A registry
// without the referrers API is asked for the tag that stands in for it.
func (r *Repository) Referrers(ctx context.Context, d digest.Digest) ([]v1.Descriptor, error) {
	if err := verify.Digest(d); err != nil {
		return nil, err
	}
	all, err := r.asked.referrersAPI(ctx, d)
	if errors.Is(err, errNoReferrersAPI) {
		all, err = r.asked.referrersTag(ctx, d)
	}
	return all, err
}

var errNoReferrersAPI = errors.New("no referrers API")

func (p *place) referrersAPI(ctx context.Context, d digest.Digest) (all []v1.Descriptor, _ error) {
	req, err := p.request(ctx, http.MethodGet, "/referrers/"+d.String(), http.StatusOK)
	if err != nil {
		return nil, err
	}
	pages := pager{what: "referrers of " + d.String(), host: p.host, first: req}
	pages.add = func(h http.Header, raw []byte) (int, error) {
		list, err := parseReferrers(raw)
		switch mediaTypeOf(h) {
		case v1.MediaTypeImageIndex:
			if err != nil && saysNothing(raw) {
				return 0, errNoReferrersAPI
			}
		case "", "application/json":
			if err != nil {
				return 0, errNoReferrersAPI
			}
		default:
			return 0, errNoReferrersAPI
		}
		if err != nil {
			return 0, fmt.Errorf("referrers of %s: %w", d, err)
		}
		if all = append(all, list...); len(all) > maxReferrers {
			return 0, fmt.Errorf("referrers of %s: more than %d", d, maxReferrers)
		}
		return len(list), nil
	}
	if err = pages.page(ctx, req.url); err == nil {
		err = pages.follow(ctx)
	}
	switch {
	case len(all) > 0 && errors.Is(err, errNoReferrersAPI):
		err = refuse("referrers of %s: the list breaks off after %d of them", d, len(all))
	case len(all) == 0 && (isRefused(err) || isAnswer(err) && errors.Is(err, ErrNotFound)):
		err = errNoReferrersAPI
	}
	return all, err
}

// saysNothing reports whether a document is empty, null or an object without fields.
func saysNothing(raw []byte) bool {
	var fields map[string]json.RawMessage
	raw = bytes.TrimSpace(plaintext.UTF8(raw))
	return len(raw) == 0 || json.Unmarshal(raw, &fields) == nil && len(fields) == 0
}

// parseReferrers reads an index of referrers. Some registries leave out an empty list.
func parseReferrers(raw []byte) ([]v1.Descriptor, error) {
	raw = plaintext.UTF8(raw)
	var fields struct {
		SchemaVersion, Config, Manifests json.RawMessage
	}
	if json.Unmarshal(raw, &fields) == nil && fields.SchemaVersion != nil && fields.Config == nil &&
		fields.Manifests == nil {
		return nil, nil
	}
	index, err := image.ParseManifest(v1.MediaTypeImageIndex, raw)
	return index.Manifests, err
}

func (p *place) referrersTag(ctx context.Context, d digest.Digest) ([]v1.Descriptor, error) {
	found, raw, err := p.resolve(ctx, ReferrersTag(d))
	if errors.Is(err, ErrNotFound) || found.Digest == d { // some take the tag for the digest that it looks like
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
