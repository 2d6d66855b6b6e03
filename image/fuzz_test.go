package image_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/verify"
)

// FuzzParse checks that what is accepted is of one kind, whoever asks, and refers to nothing invalid.
func FuzzParseManifest(f *testing.F) {
	for _, raw := range []string{imageJSON, index, schema1, `{}`, `null`, `{"config":{},"manifests":[]}`,
		document(v1.MediaTypeImageManifest, `"config":`+config+`,"layers":[],"Layers":[`+layer+`]`),
		document(v1.MediaTypeImageIndex, `"manifests":[],"manifests":[`+child+`]`)} {
		for _, announced := range []string{"", v1.MediaTypeImageIndex, v1.MediaTypeImageManifest,
			image.DockerManifest, image.DockerManifestList, "application/json"} {
			f.Add(announced, []byte(raw))
		}
	}
	f.Fuzz(func(t *testing.T, announced string, raw []byte) {
		d, err := image.ParseManifest(announced, raw)
		if err != nil {
			return
		}
		if image.IsIndex(d.MediaType) == image.IsImageManifest(d.MediaType) ||
			image.IsIndex(d.MediaType) != (d.Manifests != nil) {
			t.Fatalf("accepted as %q with config %v and manifests %v", d.MediaType, d.Config, d.Manifests)
		}
		if d.Manifests != nil && d.MayBeImage() {
			t.Fatal("an index and an image at once")
		}
		for _, c := range d.Children() {
			if err := verify.Descriptor(c); err != nil {
				t.Fatalf("accepted with a bad reference: %v", err)
			}
		}
		again, err := image.ParseManifest(d.MediaType, raw)
		if err != nil {
			t.Fatalf("not accepted under its own type: %v", err)
		}
		if diff := cmp.Diff(d, again); diff != "" {
			t.Fatalf("read differently the second time:\n%s", diff)
		}
	})
}

// FuzzParseConfig checks that accepted diff IDs can be used without further checks.
func FuzzParseConfig(f *testing.F) {
	for _, raw := range []string{
		`{}`, `null`, `{"created":"0001-01-01T00:00:00Z","os":"linux","architecture":"amd64"}`,
		`{"rootfs":{"type":"layers","diff_ids":["sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb","sha256:x"]}}`,
		`{"rootfs":{"type":"layers","diff_ids":["sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"]}}`,
		`{"rootfs":{"diff_ids":[],"diff_ids":[]}}`, `{"config":{"Labels":{"a":"","A":""}}}`,
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := image.ParseConfig(raw)
		if err != nil {
			return
		}
		for n := range 3 {
			ids, err := c.DiffIDs(n)
			if err == nil && len(ids) != n {
				t.Fatalf("%d diff IDs for %d layers", len(ids), n)
			}
			for _, id := range append(ids, image.ChainIDs(ids)...) {
				if err := verify.Digest(id); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
