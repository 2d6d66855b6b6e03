package layout

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/verify"
)

// find returns where the entries with a key are. Names and referrers have keys of their own. The first call
// goes over all entries, so that many changes cost no more than one.
func (ix *index) find(key string) []int {
	if ix.at == nil {
		ix.at = make(map[string][]int, len(ix.entries))
		for i := range ix.entries {
			for _, k := range ix.entries[i].known() {
				ix.at[k] = append(ix.at[k], i)
			}
		}
	}
	return ix.at[key]
}

// known returns the keys of an entry.
func (e *entry) known() []string {
	if e.keys == nil {
		e.keys = []string{}
		if name := e.image().Name; name != "" {
			e.keys = append(e.keys, name)
		}
		if s := e.desc.Annotations[AnnotationSubject]; s != "" {
			e.keys = append(e.keys, referrer(e.desc.Digest, s))
		}
	}
	return e.keys
}

// referrer is the key of a referrer: no name has a space.
func referrer(d digest.Digest, subject string) string { return d.String() + " " + subject }

// add adds an entry that has a key.
func (ix *index) add(key string, d v1.Descriptor) {
	ix.at[key] = append(ix.find(key), len(ix.entries))
	ix.entries = append(ix.entries, entry{desc: d})
	ix.added = true
}

// refer adds an entry without a name for a referrer of subject, unless there is one.
func (ix *index) refer(d v1.Descriptor, subject digest.Digest) (changed bool) {
	key := referrer(d.Digest, subject.String())
	if at := ix.find(key); len(at) > 0 {
		return ix.entries[at[0]].describe(d)
	}
	ix.add(key, v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size,
		ArtifactType: d.ArtifactType, Annotations: map[string]string{AnnotationSubject: subject.String()}})
	return true
}

// set makes name refer to d alone, and to tag unless that is empty. It returns what name referred to before.
// Other entries of the same name go, unless they are referrers. All others stay as they are.
func (ix *index) set(d v1.Descriptor, name, tag string) (old v1.Descriptor, changed bool) {
	d.Annotations = map[string]string{AnnotationName: name}
	if tag != "" {
		d.Annotations[v1.AnnotationRefName] = tag
	}
	d.Data = nil
	same := ix.same(name, d.Digest)
	if len(same) == 0 {
		ix.add(name, d)
		return old, true
	}
	e := &ix.entries[same[0]]
	old = e.desc
	if old.Digest == d.Digest {
		changed = e.describe(d)
	} else {
		*e, changed = entry{desc: d}, true
	}
	for _, i := range same[1:] {
		ix.entries[i].gone, changed = true, true
	}
	return old, changed
}

// same lists the entries of a name that are no referrers, those of a digest first.
func (ix *index) same(name string, d digest.Digest) (same []int) {
	for _, i := range ix.find(name) {
		e := ix.entries[i]
		switch {
		case e.gone:
		case e.desc.Digest == d:
			same = slices.Insert(same, 0, i)
		case !e.refers():
			same = append(same, i)
		}
	}
	return same
}

// named is what a name stands for: a digest, if that has it, or else something else or nothing.
func (ix *index) named(name string, d digest.Digest) (now v1.Descriptor) {
	if same := ix.same(name, d); len(same) > 0 {
		now = ix.entries[same[0]].desc
	}
	return now
}

// refers reports whether an entry is a referrer, whatever its name.
func (e entry) refers() bool {
	kind := kinds.FindStringSubmatch(e.desc.Annotations[annotationKind])
	return e.image().Subject != "" || kind != nil && kind[1] == ""
}

// describe makes an entry say what d says of its own digest: the size, the media type and the platform.
// Embedded content that is something else goes. All else that the entry has stays.
func (e *entry) describe(d v1.Descriptor) (changed bool) {
	wrong := len(e.desc.Data) > 0 && verify.Bytes(d, e.desc.Data) != nil
	if !wrong && e.desc.Size == d.Size && e.desc.MediaType == d.MediaType &&
		reflect.DeepEqual(e.desc.Platform, d.Platform) {
		return false
	}
	e.desc.Size, e.desc.MediaType, e.desc.Platform = d.Size, d.MediaType, d.Platform
	if wrong {
		e.desc.Data = nil
	}
	var fields map[string]json.RawMessage
	if e.raw == nil || json.Unmarshal(e.raw, &fields) != nil {
		e.raw = nil
		return true
	}
	if wrong {
		delete(fields, "data")
	}
	delete(fields, "platform")
	said, _ := json.Marshal(v1.Descriptor{
		Digest: d.Digest, Size: d.Size, MediaType: d.MediaType, Platform: d.Platform,
	})
	_ = json.Unmarshal(said, &fields) // over what was there
	e.raw, _ = json.Marshal(fields)
	return true
}

// sort sorts the entries by name, and referrers without a name by their subject, so that the order in which
// images arrive does not show.
func (ix *index) sort() {
	all := len(ix.entries)
	ix.entries = slices.DeleteFunc(ix.entries, func(e entry) bool { return e.gone })
	if len(ix.entries) < all {
		ix.at = nil
	}
	if !ix.added {
		return
	}
	slices.SortStableFunc(ix.entries, func(a, b entry) int {
		nameA, nameB := a.desc.Annotations[AnnotationName], b.desc.Annotations[AnnotationName]
		of, ofB := a.desc.Annotations[AnnotationSubject], b.desc.Annotations[AnnotationSubject]
		c := cmp.Or(cmp.Compare(nameA, nameB), cmp.Compare(of, ofB))
		if c != 0 || of == "" {
			return c
		}
		return cmp.Compare(a.desc.Digest, b.desc.Digest)
	})
	ix.added, ix.at = false, nil
}
