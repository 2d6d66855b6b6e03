package dockerarchive_test

import (
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/layout"
)

// referring makes the entry of a referrer.
func referring(d, to v1.Descriptor) v1.Descriptor {
	d = bare(d)
	d.Annotations = map[string]string{layout.AnnotationSubject: to.Digest.String()}
	return d
}

// Wild cases 25 and 53: referrers of what does not travel as it was stay behind, and theirs in turn. A line
// tells how many.
func TestWild25WhatStaysBehind(t *testing.T) {
	e := engine{newStore(t)}
	one, saved := e.child("amd64", zipped), e.child("arm64", plain)
	signature := e.artifact("application/vnd.example.signature")
	sbom := e.artifact("application/vnd.example.sbom")
	second := e.artifact("application/vnd.example.second")
	lost := e.child("mips", zipped)
	index := e.index(one.desc, lost.desc)
	graph := []map[string]any{e.graphItem(saved.desc, "a:1")}
	for name, c := range map[string]struct {
		entries []v1.Descriptor
		items   []map[string]any
		absent  v1.Descriptor
		want    int
	}{
		"read by manifest.json": {[]v1.Descriptor{named(saved.desc, nameA), referring(signature, saved.desc),
			referring(second, signature)}, graph, lost.layer, 0},
		"of the index": {[]v1.Descriptor{named(index, nameA), referring(signature, index),
			referring(second, signature), referring(sbom, one.desc)}, nil, lost.layer, 2},
		"of the platform that is absent": {[]v1.Descriptor{named(index, nameA), referring(sbom, lost.desc),
			referring(second, sbom)}, nil, lost.layer, 1},
		"of what is absent": {[]v1.Descriptor{named(one.desc, nameA), referring(signature, one.desc),
			referring(second, signature)}, nil, signature, 1},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := e.save(c.items, []v1.Descriptor{c.absent}, c.entries...).Contents(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			have := 0
			if got.Layout != nil {
				images, _ := got.Layout.Images()
				have = len(images)
			}
			said := 0
			for _, r := range got.Remarks {
				if strings.HasPrefix(r.Text, "2 referrers stay behind, because ") &&
					strings.Contains(r.Text, second.Digest.String()) {
					said++
				}
			}
			if have != c.want || said != 1 {
				t.Errorf("%d entries, want %d; remarks %+v", have, c.want, got.Remarks)
			}
		})
	}
}
