package image_test

import (
	"runtime"
	"testing"

	"drayage/image"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestParsePlatform(t *testing.T) {
	for _, c := range []struct{ in, want string }{ // want as String writes it; empty if it is refused
		{"linux/amd64", "linux/amd64"}, {"linux/arm/v7", "linux/arm/v7"}, {"linux/arm64/v8", "linux/arm64/v8"},
		{"amd64", "linux/amd64"}, {"arm64", "linux/arm64"}, {"linux/x86_64", "linux/amd64"},
		{"linux/aarch64", "linux/arm64"}, {"armv7l", "linux/arm/v7"}, {"linux/armv6", "linux/arm/v6"},
		{"Linux/AMD64", "linux/amd64"}, {"linux/armel", "linux/arm/v6"}, {"linux/arm", "linux/arm"},
		{"windows/amd64", "windows/amd64"},
		{"linux/riscv64", "linux/riscv64"}, {"wasi/wasm", "wasi/wasm"},
		{"", ""}, {"/", ""}, {"linux/", ""}, {"/amd64", ""}, {"linux/amd64/", ""}, {"a/b/c/d", ""},
		{"linux amd64", ""},
		{"linux/../x", ""}, {".", ""}, {"..", ""}, {"../linux", ""}, {"linux//amd64", ""}, {"linux\n/amd64", ""},
		{"*/amd64", ""},
	} {
		p, err := image.ParsePlatform(c.in)
		if (err == nil) != (c.want != "") || err == nil && image.FormatPlatform(p) != c.want {
			t.Errorf("image.ParsePlatform(%q) = %s, %v; want %q", c.in, image.FormatPlatform(p), err, c.want)
		}
	}
}

func TestDefaultIsLinux(t *testing.T) {
	d := image.DefaultPlatform()
	if d.OS != "linux" || d.Architecture != runtime.GOARCH {
		t.Errorf("default %+v on %s/%s", d, runtime.GOOS, runtime.GOARCH)
	}
	if !image.MatchPlatform(d, d) {
		t.Error("the default does not match itself")
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		want, have string
		match      bool
	}{
		{"linux/amd64", "linux/amd64", true},
		{"linux/arm64", "linux/arm64/v8", true},
		{"linux/arm64/v8", "linux/arm64", true},
		{"linux/arm/v7", "linux/arm/v7", true},
		{"linux/arm/v7", "linux/arm/v6", true}, // a processor runs code of its predecessors
		{"linux/arm/v6", "linux/arm/v7", false},
		{"linux/amd64/v2", "linux/amd64", true},
		{"linux/amd64", "linux/amd64/v2", false},
		{"linux/amd64", "linux/386", false}, // though engines fall back to it
		{"linux/arm64", "linux/arm/v7", false},
		{"linux/amd64", "windows/amd64", false},
		{"linux/amd64", "unknown/unknown", false},
		{"linux/amd64", "", false},
	} {
		if got := image.MatchPlatform(parse(t, c.want), parse(t, c.have)); got != c.match {
			t.Errorf("image.MatchPlatform(%s, %s) = %v", c.want, c.have, got)
		}
	}
}

func TestBest(t *testing.T) {
	for _, c := range []struct {
		want string
		have []string
		at   int
	}{
		{"linux/amd64", nil, -1},
		{"linux/amd64", []string{"linux/arm64", "unknown/unknown", ""}, -1},
		{"linux/amd64", []string{"linux/arm64", "linux/amd64", "linux/amd64"}, 1}, // the first of equals
		{"linux/arm/v7", []string{"linux/arm/v5", "linux/arm/v7", "linux/arm/v6"}, 1},
		{"linux/arm/v7", []string{"linux/arm/v5", "linux/arm/v6"}, 1},
		{"linux/amd64/v3", []string{"linux/amd64", "linux/amd64/v2", "linux/amd64/v4"}, 1},
		{"linux/arm64", []string{"linux/arm64/v8", "linux/arm64"}, 0},
	} {
		var have []v1.Platform
		for _, h := range c.have {
			have = append(have, parse(t, h))
		}
		if got := image.BestPlatform(parse(t, c.want), have); got != c.at {
			t.Errorf("image.BestPlatform(%s, %v) = %d, want %d", c.want, c.have, got, c.at)
		}
	}
}

func TestList(t *testing.T) {
	all := []v1.Platform{
		{OS: "linux", Architecture: "s390x"}, {OS: "unknown", Architecture: "unknown"},
		{OS: "linux", Architecture: "amd64"},
		{OS: "linux", Architecture: "arm", Variant: "v7"}, {OS: "linux", Architecture: "amd64"}, {},
	}
	if got, want := image.FormatPlatforms(all), "linux/amd64, linux/arm/v7, linux/s390x, unknown"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	twins := []v1.Platform{{OS: "windows", Architecture: "amd64", OSVersion: "10.0.1"},
		{OS: "windows", Architecture: "amd64", OSVersion: "10.0.1", OSFeatures: []string{"win32k"}}}
	want := "windows/amd64:10.0.1, windows/amd64:10.0.1 with win32k"
	if got := image.FormatPlatforms(twins); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := image.FormatPlatforms(nil); got != "" {
		t.Errorf("%q for no platform", got)
	}
}

// FuzzParsePlatform checks that a platform that is accepted can be written, read again and found.
func FuzzParsePlatform(f *testing.F) {
	for _, s := range []string{"linux/amd64", "arm64", "linux/arm/v7", "windows(10.0.17763)/amd64", "",
		"a/b/c/d", "linux/armhf", ".", "windows01(.0.17763)/amd64"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := image.ParsePlatform(s)
		if err != nil {
			return
		}
		again, err := image.ParsePlatform(image.FormatPlatform(p))
		if err != nil {
			t.Fatalf("image.ParsePlatform(%q) is written %q, which is refused: %v", s, image.FormatPlatform(p), err)
		}
		if image.FormatPlatform(again) != image.FormatPlatform(p) {
			t.Fatalf("image.ParsePlatform(%q) is written %q and then %q", s, image.FormatPlatform(p),
				image.FormatPlatform(again))
		}
		if image.BestPlatform(p, []v1.Platform{{}, p}) != 1 {
			t.Fatalf("image.ParsePlatform(%q) does not match itself", s)
		}
	})
}
