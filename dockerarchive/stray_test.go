package dockerarchive_test

import (
	"strings"
	"testing"
	"testing/fstest"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/internal/imagetest"
	"drayage/layout"
)

// TestStrays: what index.json lists beside images stays behind with one remark, and the images go. Damage
// stays a fault, and so does the loss of something that has a name.
func TestStrays(t *testing.T) {
	s := newStore(t)
	im := s.image("me", []string{"docker.io/library/a:1"}, s.layer(tarball(1, 100), zipped))
	xml, list := []byte("<component/>"), []byte("[1]")
	about := func(mediaType string, raw []byte) v1.Descriptor { return s.Put(mediaType, raw) }
	lost := about("application/xml", []byte("lost"))
	delete(s.Content, lost.Digest)
	named := lost
	named.Annotations = map[string]string{v1.AnnotationRefName: "docs"}
	damaged := about("application/xml", []byte("damaged"))
	s.Content[damaged.Digest] = []byte("DAMAGED")
	wrong := im.Root
	wrong.MediaType = "application/octet-stream" // it is a manifest all the same
	for name, c := range map[string]struct {
		entry          v1.Descriptor
		images, faults int
		remark         string
	}{
		"the example of the specification": {about("application/xml", xml), 1, 0, `"application/xml"`},
		"JSON":                             {about("application/json", list), 1, 0, `"application/json"`},
		"one that is lost":                 {lost, 1, 0, lost.Digest.String()},
		"one with a name that is lost":     {named, 2, 1, ""},
		"one that is damaged":              {damaged, 2, 1, ""},
		"an image of a wrong type":         {wrong, 2, 0, ""},
	} {
		root := im.Root
		root.Annotations = map[string]string{v1.AnnotationRefName: "docker.io/library/a:1"}
		index := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{root, c.entry}}
		files := map[string]string{"oci-layout": `{"imageLayoutVersion":"1.0.0"}`,
			"index.json": string(imagetest.Encode(index))}
		for d, raw := range s.Content {
			files["blobs/sha256/"+d.Encoded()] = string(raw)
		}
		for place, contents := range map[string]func() (*dockerarchive.Contents, error){
			"archive": func() (*dockerarchive.Contents, error) {
				r, err := open(archive(t, imagetest.Files(files)...))
				if err != nil {
					t.Fatal(err)
				}
				return r.Contents(t.Context())
			},
			"layout": func() (*dockerarchive.Contents, error) {
				fsys := fstest.MapFS{}
				for name, content := range files {
					fsys[name] = &fstest.MapFile{Data: []byte(content)}
				}
				l, err := layout.New(fsys)
				if err != nil {
					t.Fatal(err)
				}
				return dockerarchive.OfLayout(t.Context(), l, false)
			},
		} {
			got, err := contents()
			if err != nil {
				t.Errorf("%s, %s: %v", name, place, err)
				continue
			}
			images, err := got.Layout.Images()
			twice := c.entry.Digest == im.Root.Digest
			if err != nil || len(images) != c.images && !twice || len(got.Faults) != c.faults {
				t.Errorf("%s, %s: %v, %v, faults %v", name, place, images, err, got.Faults)
			}
			if n := len(got.Remarks); (n > 0) != (c.remark != "") ||
				n > 0 && !strings.Contains(got.Remarks[0].Text, c.remark) {
				t.Errorf("%s, %s: remarks %q", name, place, got.Remarks)
			}
		}
	}
}
