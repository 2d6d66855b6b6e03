//go:build linux

package interop

import (
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"drayage/test/sample"
)

// TestPushFromContainerd pulls some platforms of an image into containerd, exports it, and pushes what is
// there: the digests are those of the first registry, as far as everything travelled.
func TestPushFromContainerd(t *testing.T) {
	requireRoot(t)
	here, arm7 := "linux/"+runtime.GOARCH, "linux/arm/v7"
	for _, c := range []struct {
		name     string
		flavour  sample.Flavour
		pulled   []string
		exported []string
		index    bool // all of it travels
		whole    bool // verify finds nothing missing
	}{
		{"one", sample.OCI, []string{here}, nil, false, true},
		{"one of Docker's", sample.Docker, []string{here}, nil, false, true},
		{"one of two", sample.OCI, []string{here, arm7}, []string{"--platform", arm7}, false, true},
		{"without manifest.json", sample.OCI, []string{here}, []string{"--skip-manifest-json"}, false, false},
		{"all", sample.OCI, nil, []string{"--all-platforms"}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			image, _ := newSample(t, sample.Options{Flavour: c.flavour})
			ref := seed(t, image, startRegistry3(t), "team/hello", "1")
			d, tar := startContainerd(t), filepath.Join(scratch(t), "hello.tar")
			pull := []string{"content", "fetch", "--plain-http"}
			for _, p := range c.pulled {
				pull = append(pull, "--platform", p)
			}
			if c.index {
				pull = append(pull, "--all-platforms")
			}
			d.ctr(t, append(pull, ref)...)
			d.ctr(t, slices.Concat([]string{"images", "export"}, c.exported, []string{tar, ref})...)

			want := image.Root.Digest.String()
			if !c.index {
				kept := c.pulled[len(c.pulled)-1]
				p, err := image.Platform(kept)
				if err != nil {
					t.Fatal(err)
				}
				want = p.Manifest.Digest.String()
			}
			pushed := drayage(t, "push", tar, startRegistry3(t)+"/copy/hello:2")
			_, got, _ := strings.Cut(strings.TrimSpace(pushed.ok(t)), "@")
			equal(t, "digest of what was pushed", got, want)
			equal(t, "push says that platforms are missing", strings.Contains(pushed.stderr, "the archive has only "),
				!c.index)
			verified := drayage(t, "verify", "-q", tar)
			if !c.whole {
				equal(t, "exit code of verify", verified.code, 6)
				return
			}
			equal(t, "verify prints", strings.TrimSpace(verified.ok(t)), "ok "+ref+"@"+want)
		})
	}
}
