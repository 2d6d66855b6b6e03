package dockerarchive

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/verify"
)

// partial is what is shown of an index if parts of it are absent: container engines save the platforms that
// they have.
type partial struct {
	desc   v1.Descriptor
	raw    []byte // of a new index; nil if it is the manifest of one platform
	remark Remark
}

// shown returns what is to be seen of the image instead of itself, or nil if all of it is there.
func (r *root) shown() (*partial, error) {
	if r.err != nil {
		return nil, fmt.Errorf("archive is damaged: %w", r.err)
	}
	images := r.images()
	kept := which(images, leaf.whole)
	switch {
	case len(which(r.leaves, leaf.whole)) == len(r.leaves):
		return nil, nil
	case r.index == nil:
		return nil, fmt.Errorf("archive is incomplete: it lacks %s: %w", r.leaves[0].lacking(), verify.ErrMismatch)
	case len(kept) == 0:
		return nil, fmt.Errorf("archive is incomplete: it has none of the %d images of index %s whole: %s: %w",
			len(images), r.desc.Digest, lackingList(images), verify.ErrMismatch)
	case len(kept) == 1:
		return r.single(kept[0]), nil
	}
	return r.subset(kept)
}

// images are the leaves that one would choose among by their platforms; if there are none, all of them.
func (r *root) images() []leaf {
	images := which(r.leaves, func(l leaf) bool {
		return image.IsManifest(l.Descriptor.MediaType) && !l.IsAttestation()
	})
	if len(images) == 0 {
		return r.leaves
	}
	return images
}

// single shows the only image that is there: its digest is one that the registry knows.
func (r *root) single(kept leaf) *partial {
	d := kept.Descriptor
	p := &partial{desc: v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}}
	how := "it goes by its own manifest, without the index"
	if slices.ContainsFunc(r.leaves, func(l leaf) bool { return l.whole() && l.Attested() == d.Digest }) {
		how += " and its attestations"
	}
	p.remark = r.remark(d.Digest, []leaf{kept}, how)
	return p
}

// subset makes a new index of the images that are there, and of what else is there and about none of the
// others.
func (r *root) subset(kept []leaf) (*partial, error) {
	index := v1.Index{MediaType: r.index.MediaType, Annotations: r.index.Annotations}
	index.SchemaVersion = 2
	stays := map[digest.Digest]bool{"": true}
	for _, l := range kept {
		stays[l.Descriptor.Digest] = true
	}
	for _, l := range r.leaves {
		if l.whole() && (stays[l.Descriptor.Digest] || stays[l.Attested()]) {
			index.Manifests = append(index.Manifests, l.Descriptor)
		}
	}
	raw, err := json.Marshal(index)
	if err != nil {
		return nil, err
	}
	p := &partial{desc: image.Describe(index.MediaType, raw), raw: raw}
	p.remark = r.remark(p.desc.Digest, kept, "they go with a new index, whose digest is not the registry's")
	return p, nil
}

// remark says what has been left out.
func (r *root) remark(shown digest.Digest, kept []leaf, how string) Remark {
	rm := Remark{Image: shown}
	seen := map[digest.Digest]bool{}
	var left []leaf
	for _, l := range r.leaves {
		if !l.whole() {
			left = append(left, l)
		}
		for _, a := range l.absent {
			if d := a.Descriptor.Digest; !seen[d] {
				seen[d] = true
				rm.Absent = append(rm.Absent, a)
			}
		}
	}
	rm.Text = fmt.Sprintf("the archive has only %s of its index, and lacks %s: %s",
		platformList(kept), platformList(left), how)
	return rm
}

// maxListed is how many parts of an index a message names.
const maxListed = 12

func platformList(leaves []leaf) string {
	var names []string
	attestations := 0
	for _, l := range leaves {
		switch {
		case l.IsAttestation():
			attestations++
		case l.Platform.OS != "":
			names = append(names, image.FormatPlatform(l.Platform))
		default:
			names = append(names, l.Descriptor.Digest.String())
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if attestations > 0 {
		names = append(names, fmt.Sprintf("attestations (%d)", attestations))
	}
	return shortened(names, ", ")
}

func shortened(names []string, sep string) string {
	if n := len(names); n > maxListed {
		names = append(slices.Clone(names[:maxListed]), fmt.Sprintf("and %d more", n-maxListed))
	}
	return strings.Join(names, sep)
}

// lackingList names what is absent of each image.
func lackingList(leaves []leaf) string {
	var all []string
	for _, l := range leaves {
		if !l.whole() {
			all = append(all, platformList([]leaf{l})+" lacks "+l.lacking())
		}
	}
	return shortened(all, "; ")
}

// lacking names what is absent of a manifest.
func (l leaf) lacking() string {
	var names []string
	for _, a := range l.absent {
		names = append(names, string(a.Part)+" "+a.Blob())
	}
	return shortened(names, ", ")
}
