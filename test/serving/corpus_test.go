//go:build linux

package serving

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/corpus"
)

// TestEveryArchive serves each archive of the corpus and pulls all of its images by their names: every
// image has the ID and the diff IDs that are known of it, and every byte the digest under which it was
// asked for.
func TestEveryArchive(t *testing.T) {
	archives, err := corpus.Read(corpus.Dir)
	if err != nil {
		t.Fatal(err)
	}
	names := 0
	for _, a := range archives {
		t.Run(a.File, func(t *testing.T) {
			s := start(t, filepath.Join(corpus.Dir, a.File))
			c := newClient(t, s)
			for _, im := range a.Images {
				for _, name := range im.Names {
					names++
					if err := c.compare(t, name, im); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
		})
	}
	if names < 40 {
		t.Errorf("only %d names", names)
	}
}

// compare pulls an image by its full name and compares it with what is known of it.
func (c *client) compare(t *testing.T, name string, want corpus.Image) error {
	at := strings.LastIndex(name, ":")
	repository, ref := name[:at], name[at+1:]
	root, manifests, err := c.manifests(t, repository, ref)
	if err != nil {
		return err
	}
	if want.Digest != "" && root != want.Digest {
		return fmt.Errorf("the digest is %s, not %s", root, want.Digest)
	}
	for _, p := range want.Platforms {
		i := slices.IndexFunc(manifests, func(m v1.Manifest) bool { return m.Config.Digest == p.ID })
		if i < 0 {
			return fmt.Errorf("no manifest has the configuration %s", p.ID)
		}
		var config v1.Image
		if err := c.document(t, repository+"/blobs/"+p.ID.String(), &config); err != nil {
			return err
		}
		if !slices.Equal(config.RootFS.DiffIDs, p.DiffIDs) {
			return fmt.Errorf("the diff IDs are %v", config.RootFS.DiffIDs)
		}
		for _, l := range manifests[i].Layers {
			if err := c.read(t.Context(), repository+"/blobs/"+l.Digest.String(), l, 1); err != nil {
				return err
			}
		}
	}
	return nil
}

// manifests are what a name leads to, those of all platforms.
func (c *client) manifests(t *testing.T, repository, ref string) (root digest.Digest, all []v1.Manifest,
	_ error) {
	var doc struct {
		v1.Manifest
		Manifests []v1.Descriptor
	}
	resp, err := c.get(t.Context(), repository+"/manifests/"+ref)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		return "", nil, err
	}
	root = digest.Digest(resp.Header.Get("Docker-Content-Digest"))
	if doc.Manifests == nil {
		return root, []v1.Manifest{doc.Manifest}, nil
	}
	for _, d := range doc.Manifests {
		_, more, err := c.manifests(t, repository, d.Digest.String())
		if err != nil {
			return "", nil, err
		}
		all = append(all, more...)
	}
	return root, all, nil
}

func (c *client) document(t *testing.T, path string, into any) error {
	resp, err := c.get(t.Context(), path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}
