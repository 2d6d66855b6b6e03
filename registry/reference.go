package registry

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"drayage/internal/secrets"
	"drayage/internal/verify"
)

// Reference names an image in a registry. It is comparable.
type Reference struct {
	Registry   string        // host[:port] as in the name: docker.io, localhost:5000
	Repository string        // path in the registry: library/alpine
	Tag        string        // empty: the name has a digest and no tag
	Digest     digest.Digest // if not empty it decides, and the tag is only a label
}

// ParseReference reads a name as Docker users type it. A missing registry is docker.io, a name of one part is
// there under library/, and a missing tag is latest. It accepts what [TrimScheme] takes off. Its errors hold
// no password that was typed before the host.
func ParseReference(s string) (Reference, error) {
	name := TrimScheme(s)
	parsed, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		why := misread(name, unreadable)
		if secrets.Redact(s) != s {
			why = "a user name and password are no part of it"
		}
		return Reference{}, invalid(s, cmp.Or(why, err.Error()))
	}
	r := Reference{Registry: reference.Domain(parsed), Repository: reference.Path(parsed)}
	if r.Registry == "" { // the library takes such a host for a part of the path
		return Reference{}, invalid(s, "the name of a registry cannot have an underscore")
	}
	if d, ok := parsed.(reference.Digested); ok {
		if err := verify.Digest(d.Digest()); err != nil {
			return Reference{}, invalid(s, err.Error())
		}
		r.Digest = d.Digest()
	}
	if t, ok := parsed.(reference.Tagged); ok {
		r.Tag = t.Tag()
	} else if r.Digest == "" {
		r.Tag = "latest"
	}
	return r, nil
}

func invalid(name, why string) error {
	return fmt.Errorf("invalid image reference %q: %s", secrets.Redact(name), why)
}

// schemes are what people write before names, with the port that a host without a dot then needs so that it
// is not taken for a path on Docker Hub.
var schemes = []struct{ text, port string }{
	{"docker://", ""}, {"oci://", ":443"}, {"https://", ":443"}, {"http://", ":80"},
}

// TrimScheme takes docker://, oci://, https:// or http:// off the beginning of a name. Behind all but
// docker:// a host follows, also if its name has no dot. It says nothing of how the registry is reached.
func TrimScheme(name string) string {
	for _, s := range schemes {
		if len(name) < len(s.text) || !strings.EqualFold(name[:len(s.text)], s.text) {
			continue
		}
		host, path, found := strings.Cut(name[len(s.text):], "/")
		if !strings.ContainsAny(host, ".:") && host != "localhost" && host != "" {
			host += s.port
		}
		if found || s.port != "" {
			host += "/" + path
		}
		return host
	}
	return name
}

// Name is the repository with its registry: docker.io/library/alpine.
func (r Reference) Name() string { return r.Registry + "/" + r.Repository }

// String is the full normalised form: docker.io/library/alpine:3.20, with the digest if there is one.
func (r Reference) String() string {
	s := r.Name()
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest.String()
	}
	return s
}

// Tagged is the full form without a digest, as docker tars keep it, or empty if there is no tag.
func (r Reference) Tagged() string {
	if r.Tag == "" {
		return ""
	}
	return r.Name() + ":" + r.Tag
}

// Recorded is the full form under which layouts and OCI tars keep the image: with its tag, or with its digest
// if there is no tag.
func (r Reference) Recorded() string { return cmp.Or(r.Tagged(), r.String()) }

// Names is Recorded as a list, as image.Image has it.
func (r Reference) Names() []string { return []string{r.Recorded()} }

// Target is what a manifest is asked for by: the digest if there is one, else the tag.
func (r Reference) Target() string {
	if r.Digest != "" {
		return r.Digest.String()
	}
	return r.Tag
}
