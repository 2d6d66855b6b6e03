package dockerarchive_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/dockerarchive"
)

// Two readers would take two images from a manifest.json in which a key stands twice.
func TestManifestWithAKeyTwice(t *testing.T) {
	config := configOf(digest.FromString(largeA))
	name := digest.FromString(config).Encoded() + ".json"
	for what, c := range map[string]struct {
		manifest string
		bad      bool
	}{
		"twice":                  {`[{"Config":"NAME","Config":"NAME","RepoTags":["a:1"],"Layers":["a/layer.tar"]}]`, true},
		"in another case":        {`[{"Config":"NAME","config":"NAME","RepoTags":["a:1"],"Layers":["a/layer.tar"]}]`, true},
		"below":                  {`[{"Config":"NAME","RepoTags":["a:1"],"Layers":["a/layer.tar"],"LayerSources":{"x":{"size":1,"size":2}}}]`, true},
		"in two objects":         {`[{"Config":"NAME","RepoTags":["a:1"],"Layers":["a/layer.tar"]},{"Config":"NAME","RepoTags":["b:1"],"Layers":["a/layer.tar"]}]`, false},
		"with a long s":          {`[{"Config":"NAME","RepoTags":["a:1"],"Layers":["a/layer.tar"],"Layer\u017f":[]}]`, true},
		"as values":              {`[{"Config":"NAME","RepoTags":["config:1","config:1"],"Layers":["a/layer.tar"],"Parent":"Config"}]`, false},
		"after lists and values": {`[{"X":[1,{"y":null},"X"],"Y":"X","Config":"NAME","RepoTags":["a:1"],"Layers":["a/layer.tar"]}]`, false},
	} {
		raw := archive(t, file(name, config), file("a/layer.tar", largeA),
			file("manifest.json", strings.ReplaceAll(c.manifest, "NAME", name)))
		r, err := open(raw)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Images(t.Context())
		if (err != nil) != c.bad || c.bad && (!errors.Is(err, dockerarchive.ErrIntegrity) ||
			!strings.Contains(err.Error(), "twice")) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
