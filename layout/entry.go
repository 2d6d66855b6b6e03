package layout

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// cosignTag matches the names that cosign gives to referrers of an image, and the referrers tag of the
// distribution specification.
var cosignTag = regexp.MustCompile(`^sha256-([0-9a-f]{64})(\.[a-z]+)?$`)

func (e entry) image() Image {
	a := e.desc.Annotations
	im := Image{Descriptor: e.desc, Annotations: a, Name: fullName(a[AnnotationName]),
		Ref: a[v1.AnnotationRefName]}
	if im.Name == "" && strings.ContainsAny(im.Ref, "/:@") { // a bare tag has none of these
		im.Name = fullName(im.Ref) // podman, skopeo and others put the full name there
	}
	im.Subject = digest.Digest(cmp.Or(a[AnnotationSubject], a[annotationReferrer]))
	for _, tag := range im.tags() {
		if m := cosignTag.FindStringSubmatch(tag); m != nil {
			im.Subject = digest.NewDigestFromEncoded(digest.SHA256, m[1])
			if m[2] != "" {
				im.Tag = tag
			}
		}
	}
	im.Descriptor.Annotations = nil
	return im
}

// tags are what may be the tag of an entry.
func (im Image) tags() []string {
	return []string{im.Ref, im.Name[strings.LastIndexByte(im.Name, ':')+1:]}
}

// ListsReferrers reports whether the entry, if it is an index, is one of referrers: by its tag or annotation.
func (im Image) ListsReferrers() bool {
	return im.Annotations[annotationReferrer] != "" ||
		im.Tag == "" && slices.ContainsFunc(im.tags(), cosignTag.MatchString)
}

// annotationKind says what an entry is to the image of the same name. cosign save and hauler write it
// (https://github.com/sigstore/cosign/blob/v2.4.1/pkg/oci/layout/write.go).
const annotationKind = "kind"

var kinds = regexp.MustCompile(
	`^dev\.(?:hauler|cosignproject\.cosign)/(?:(image|imageIndex)|(sig|att|sbom)s|(referrers)(?:/.*)?)$`)

// linkKinds gives referrers that carry the name of their image the digest of that image as their subject, and
// the tag that cosign pushes them to.
func linkKinds(all []Image) {
	subjects := map[string]digest.Digest{} // by name; empty if two images have it
	for _, im := range all {
		if m := kinds.FindStringSubmatch(im.Annotations[annotationKind]); m != nil && m[1] != "" {
			d, name := im.Descriptor.Digest, im.Label()
			if first, taken := subjects[name]; taken && first != d {
				d = ""
			}
			subjects[name] = d
		}
	}
	for i := range all {
		im := &all[i]
		m := kinds.FindStringSubmatch(im.Annotations[annotationKind])
		if m == nil || m[1] != "" || im.Subject != "" {
			continue
		}
		if im.Subject = subjects[im.Label()]; im.Subject != "" && m[2] != "" {
			im.Tag = im.Subject.Algorithm().String() + "-" + im.Subject.Encoded() + "." + m[2]
		}
	}
}

// Label is the name of the entry, or else its ref. It is empty if the entry has neither.
func (im Image) Label() string { return cmp.Or(im.Name, im.Ref) }
