//go:build linux

package serving

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// unneeded are checks that the suite leaves out because it is told to: what writes, and what needs to write
// first. What else it leaves out fails the test.
var unneeded = []string{"/push/", "/delete", "/manifest-put", "/sha256 blobs"}

// TestConformance has the suite fill a registry with all kinds of content that it knows. drayage fetches
// them, and serves the layout, and the suite reads everything from there.
func TestConformance(t *testing.T) {
	s := buildSuite(t)
	origin, layout := strings.TrimPrefix(
		startOlareg(t, "").URL,
		"http://",
	), filepath.Join(
		t.TempDir(),
		"layout",
	)
	s.run(origin)
	drayage(
		t,
		"fetch",
		origin+"/"+repository,
		"--tags",
		"*",
		"--platform",
		"all",
		"--referrers",
		"-o",
		layout,
	)
	there := readLayout(t, layout)
	found, report := s.run(start(t, layout).addr(), append(there.settings(), "OCI_API_PUSH=false")...)
	for name, verdicts := range found {
		left := slices.ContainsFunc(
			unneeded,
			func(part string) bool { return strings.Contains(name+"/", part) },
		)
		for _, verdict := range verdicts {
			if verdict != "Pass" && !left {
				t.Errorf("%s: %s", name, verdict)
			}
		}
	}
	for name, want := range map[string]int{
		"/ping": 1, "/empty/tag list": 1, "/empty/referrers": 1, "/missing-manifest/by-digest": 1,
		"/missing-manifest/by-tag": 1, "/invalid-digest-format/manifest-get": 1,
		"/read-only/tag-list": 1, "/read-only/referrers": 1,
		"/read-only/head/blob-head": len(there.blobs), "/read-only/pull/blob-get": len(there.blobs),
		"/read-only/head/manifest-head-by-digest": len(there.manifests),
		"/read-only/pull/manifest-by-digest":      len(there.manifests),
		"/read-only/head/manifest-head-by-tag":    len(there.tags),
		"/read-only/pull/manifest-by-tag":         len(there.tags),
	} {
		if got := found.passes(t, name); got != want || want == 0 {
			t.Errorf("%s: %d checks, want %d", name, got, want)
		}
	}
	if len(there.subjects) < 3 || len(there.tags) < 10 {
		t.Errorf("the suite has left too little to read: %v", there)
	}
	if t.Failed() {
		t.Logf("the suite says:\n%.60000s", report)
	}
}

// content is what a layout holds.
type content struct{ tags, manifests, blobs, subjects []string }

// settings tell the suite what there is to read.
func (c content) settings() []string {
	return []string{
		"OCI_RO_DATA_TAGS=" + strings.Join(c.tags, " "),
		"OCI_RO_DATA_MANIFESTS=" + strings.Join(c.manifests, " "),
		"OCI_RO_DATA_BLOBS=" + strings.Join(c.blobs, " "),
		"OCI_RO_DATA_REFERRERS=" + strings.Join(c.subjects, " "),
	}
}

func readLayout(t *testing.T, dir string) (c content) {
	t.Helper()
	var index v1.Index
	raw, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err == nil {
		err = json.Unmarshal(raw, &index)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range index.Manifests {
		if tag := d.Annotations[v1.AnnotationRefName]; tag != "" {
			c.tags = append(c.tags, tag)
		}
	}
	blobs := os.DirFS(filepath.Join(dir, "blobs", "sha256"))
	err = fs.WalkDir(blobs, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(blobs, name)
		if err == nil {
			c.add(digest.NewDigestFromEncoded(digest.SHA256, name), raw)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// add tells manifests from other blobs.
func (c *content) add(dgst digest.Digest, raw []byte) {
	var m struct {
		SchemaVersion int
		Subject       *v1.Descriptor
	}
	if json.Unmarshal(raw, &m) != nil || m.SchemaVersion != 2 {
		c.blobs = append(c.blobs, dgst.String())
		return
	}
	c.manifests = append(c.manifests, dgst.String())
	if m.Subject != nil {
		c.subjects = append(c.subjects, m.Subject.Digest.String())
	}
}
