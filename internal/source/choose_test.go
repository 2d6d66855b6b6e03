package source_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/source"
	"drayage/layout"
)

func TestMatch(t *testing.T) {
	d := digest.FromString("x")
	entry := func(name, ref string, subject digest.Digest) layout.Image {
		id := digest.FromString(name + ref)
		return layout.Image{Name: name, Ref: ref, Subject: subject, Descriptor: v1.Descriptor{Digest: id}}
	}
	all := []layout.Image{
		0: entry("localhost:6400/team/app:1.2", "1.2", ""),
		1: entry("docker.io/library/alpine:3.20", "3.20", ""),
		2: entry("docker.io/library/alpine:latest", "latest", ""),
		3: entry("corp.test/one/web:1", "1", ""),
		4: entry("corp.test/two/web:1", "1", ""),
		5: entry("", "bare", ""),
		6: entry("corp.test/signed:1", "1", d),
		7: entry("corp.test/team/tool:latest", "latest", ""),
		8: entry("docker.io/team/tool:latest", "latest", ""),
	}
	id := all[1].Descriptor.Digest
	for name, want := range map[string][]int{
		"localhost:6400/team/app:1.2": {0}, "team/app:1.2": {0}, "app:1.2": {0}, "1.2": {0}, "pp:1.2": nil,
		"app": nil, "app:1": nil, "eam/app:1.2": nil, "/app:1.2": nil, "": nil, "/": nil, ":1.2": nil,
		"alpine:3.20": {1}, "library/alpine:3.20": {1}, "alpine": {2}, "docker.io/alpine": {2},
		"web:1": {3, 4}, "one/web:1": {3}, "bare": {5}, "signed:1": {6},
		"team/tool": {8}, "corp.test/team/tool": {7}, "tool": {7, 8},
		id.String(): {1}, id.Encoded(): {1}, id.Encoded()[:12]: {1}, id.String()[:19]: {1},
		id.Encoded()[:11]: nil, "sha256:": nil, strings.ToUpper(id.Encoded()[:12]): nil,
	} {
		if got := source.Match(all, name); !slices.Equal(got, want) {
			t.Errorf("%q means %v, want %v", name, got, want)
		}
	}
}

// The end of a name is enough, in a docker tar too. One that several images have is an error that lists them.
func TestEndOfAName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.tar")
	raw := dockerTar(t, true, "corp.test/a/app:1", "corp.test/b/app:1")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	spec := source.Spec{Kind: source.Archive, Path: path, Name: "b/app:1"}
	set, err := spec.Open(t.Context(), source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if len(set.Images) != 1 || !slices.Equal(set.Images[0].Saved.Names, []string{"corp.test/b/app:1"}) {
		t.Errorf("%+v", set.Images)
	}
	spec.Name = "app:1"
	_, err = spec.Open(t.Context(), source.Options{})
	if want := `"app:1" means several images: corp.test/a/app:1, corp.test/b/app:1`; err == nil ||
		!strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}
