package dockerarchive

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// ErrIncomplete is wrapped where nothing of an image is there whole. No byte is wrong then.
var ErrIncomplete = errors.New("is incomplete")

// narrow puts what is there of an index in the place of the index if parts of it are absent: container
// engines save the platforms that they have.
func (r *root) narrow() error {
	if r.err != nil {
		return fmt.Errorf("%s is damaged: %w", r.place, r.err)
	}
	images := r.images()
	kept := which(images, leaf.whole)
	switch {
	case r.complete():
		return nil
	case r.index == nil:
		return fmt.Errorf("%s %w: it lacks %s", r.place, ErrIncomplete, r.leaves[0].lacking())
	case len(kept) == 0:
		return fmt.Errorf("%s %w: it has none of the %d images of index %s whole: %s",
			r.place, ErrIncomplete, len(images), r.desc.Digest, lackingList(images))
	case len(kept) == 1:
		r.single(kept[0])
		return nil
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

// single puts the only image that is there in the place of the index: the registry knows its digest.
func (r *root) single(kept leaf) {
	d := kept.Descriptor
	how := "it goes by its own manifest, without the index"
	if slices.ContainsFunc(r.leaves, func(l leaf) bool { return l.whole() && l.Attested() == d.Digest }) {
		how += " and its attestations"
	}
	r.replace(v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}, []leaf{kept}, how)
}

// subset makes a new index of what is there, except what belongs to images that are not.
func (r *root) subset(kept []leaf) error {
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
		return err
	}
	r.raw = raw
	how := "they go with a new index, whose digest is not the registry's"
	r.replace(image.Describe(index.MediaType, raw), kept, how)
	return nil
}

// replace puts what d describes in the place of the index, and remarks what of the index is absent.
func (r *root) replace(d v1.Descriptor, kept []leaf, how string) {
	left := which(r.leaves, leaf.lacks)
	text := fmt.Sprintf("the %s has only %s of its index, and lacks %s: %s",
		r.place, platformList(kept), platformList(left), how)
	for _, l := range kept {
		r.kept = append(r.kept, l.Descriptor.Digest)
	}
	r.desc, r.remark = d, &Remark{Image: d.Digest, Text: text}
}

// absent lists what the archive lacks of what the entry of index.json leads to.
func (r *root) absent() (all []image.Absent) {
	seen := map[digest.Digest]bool{}
	for _, l := range r.leaves {
		for _, a := range l.absent {
			if d := a.Descriptor.Digest; !seen[d] {
				seen[d] = true
				all = append(all, a)
			}
		}
	}
	if len(r.leaves) == 1 && len(all) == len(r.leaves[0].absent) {
		return r.leaves[0].absent // it is not held twice
	}
	return all
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
		names = append(names[:maxListed], fmt.Sprintf("and %d more", n-maxListed))
	}
	return strings.Join(names, sep)
}

func lackingList(leaves []leaf) string {
	var all []string
	for _, l := range leaves {
		all = append(all, platformList([]leaf{l})+" lacks "+l.lacking())
	}
	return shortened(all, "; ")
}

func (l leaf) lacking() string {
	var names []string
	for _, a := range l.absent {
		names = append(names, string(a.Part)+" "+a.Blob())
	}
	return shortened(names, ", ")
}
