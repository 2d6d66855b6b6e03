package fetch_test

import (
	"slices"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/fetch"
	"drayage/image"
	"drayage/layout"
)

func TestASecondPlatformJoinsTheFirst(t *testing.T) {
	onSite(t, func(s *site) {
		platform := func(arch string) v1.Platform { return v1.Platform{OS: "linux", Architecture: arch} }
		var manifests []v1.Descriptor
		for i, arch := range []string{"amd64", "arm64", "s390x"} {
			manifests = append(manifests, s.reg.PutImage("app", "", imageOf(platform(arch), layer(byte(i), 1000))))
		}
		index := s.reg.PutIndex("app", "1", false, manifests...)
		fetched := func(arch ...string) fetch.Result {
			opts := fetch.Options{All: len(arch) == 0}
			for _, a := range arch {
				opts.Platforms = append(opts.Platforms, platform(a))
			}
			return s.good(opts, "app:1")[0]
		}
		check := func(what string, r fetch.Result, want string, held string) {
			s.Helper()
			if got := image.FormatPlatforms(r.Image.Platforms); got != want {
				s.Errorf("%s: %s, want %s", what, got, want)
			}
			if got := image.FormatPlatforms(r.Image.Held); got != held {
				s.Errorf("%s: %q were held, want %q", what, got, held)
			}
			if root := s.complete("app:1"); root.Digest != r.Image.Root.Digest {
				s.Errorf("%s: the name leads to %s", what, root.Digest)
			}
		}
		check("the first", fetched("arm64"), "linux/arm64", "")
		check("the same again", fetched("arm64"), "linux/arm64", "")
		two := fetched("amd64")
		check("a second", two, "linux/amd64, linux/arm64", "linux/arm64")
		if again := fetched("arm64", "amd64"); again.Image.Root.Digest != two.Image.Root.Digest {
			s.Errorf("both at once are %s, one by one %s", again.Image.Root.Digest, two.Image.Root.Digest)
		}
		all := fetched("s390x")
		check("the last", all, "linux/amd64, linux/arm64, linux/s390x", "linux/amd64, linux/arm64")
		if all.Image.Root.Digest != index.Digest || all.Image.Rewritten {
			s.Errorf("all platforms are %s, the index is %s", all.Image.Root.Digest, index.Digest)
		}
		check("one of all", fetched("amd64"), "linux/amd64, linux/arm64, linux/s390x", "")

		// What the index does not have is missed all the same.
		opts := fetch.Options{Platforms: []v1.Platform{platform("mips")}}
		if r := s.fetch(opts, "app:1")[0]; r.Err == nil {
			s.Errorf("a platform that is not there: %+v", r)
		}

		// The tag moves: what it had before goes.
		moved := s.reg.PutImage("app", "", imageOf(platform("amd64"), layer(9, 1000)))
		s.reg.PutIndex("app", "1", false, moved, manifests[1])
		r := fetched("amd64")
		check("moved", r, "linux/amd64", "")
		if r.Replaced.Digest != index.Digest || r.Image.Root.Digest != moved.Digest {
			s.Errorf("moved: %s replaces %s", r.Image.Root.Digest, r.Replaced.Digest)
		}
		if !slices.Equal(s.names(), []string{"app:1"}) {
			s.Errorf("%q", s.names())
		}
	})
}

// Other processes give the same name to other platforms while one is on its way: all of them stay. What a tag
// had before it moved goes all the same.
func TestPlatformsThatArriveAtOnceJoin(t *testing.T) {
	onSite(t, func(s *site) {
		var manifests []v1.Descriptor
		archs := []string{"amd64", "arm64", "s390x"}
		for i, arch := range archs {
			manifests = append(manifests, s.reg.PutImage("app", "",
				imageOf(v1.Platform{OS: "linux", Architecture: arch}, layer(byte(i), 1000))))
		}
		index := s.reg.PutIndex("app", "1", false, append(manifests,
			s.reg.PutImage("app", "", imageOf(v1.Platform{OS: "linux", Architecture: "mips"}, layer(8, 1000))))...)

		// Each process begins and ends while the one before is between asking the registry and naming.
		var fetchFrom func(at int)
		fetchFrom = func(at int) {
			dir, err := layout.OpenDir(s.path)
			if err != nil {
				s.Fatal(err)
			}
			defer dir.Close()
			opts := fetch.Options{Platforms: []v1.Platform{{OS: "linux", Architecture: archs[at]}}}
			opts.Planned = func([]v1.Descriptor) {
				if at+1 < len(archs) {
					fetchFrom(at + 1)
				}
			}
			results, err := fetch.Images(s.Context(), s.client, s.refs("app:1"), dir, opts)
			if err != nil || results[0].Err != nil {
				s.Fatal(err, results[0].Err)
			}
			if got := len(results[0].Image.Platforms); got != len(archs)-at {
				s.Errorf("%s: %s", archs[at], image.FormatPlatforms(results[0].Image.Platforms))
			}
		}
		fetchFrom(0)
		root := s.complete("app:1")
		raw, err := image.ReadAll(s.Context(), s.dir, root, image.MaxManifestSize)
		if err != nil {
			s.Fatal(err)
		}
		doc, err := image.ParseManifest(root.MediaType, raw)
		if err != nil || len(doc.Manifests) != len(archs) || root.Digest == index.Digest {
			s.Errorf("%d platforms in %s: %v", len(doc.Manifests), root.Digest, err)
		}
		if !slices.Equal(s.names(), []string{"app:1"}) {
			s.Errorf("%q", s.names())
		}

		moved := s.reg.PutImage("app", "", imageOf(v1.Platform{OS: "linux", Architecture: "amd64"}, layer(9, 1000)))
		s.reg.PutIndex("app", "1", false, moved, manifests[1])
		r := s.good(fetch.Options{Platforms: []v1.Platform{{OS: "linux", Architecture: "amd64"}}}, "app:1")[0]
		if r.Image.Root.Digest != moved.Digest || r.Replaced.Digest != root.Digest {
			s.Errorf("moved: %s replaces %s", r.Image.Root.Digest, r.Replaced.Digest)
		}
	})
}
