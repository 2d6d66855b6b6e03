package image_test

import (
	"slices"
	"strings"
	"testing"

	"drayage/image"

	"github.com/opencontainers/go-digest"
)

func TestParseConfig(t *testing.T) {
	id := digest.FromString("a").String()
	for _, c := range []struct {
		name, raw string
		layers    int // -1 if it is refused
	}{
		{"two layers", `{"os":"linux","rootfs":{"type":"layers","diff_ids":["` + id + `","` + id + `"]}}`, 2},
		{"no layers", `{"rootfs":{"type":"layers","diff_ids":[]}}`, 0},
		{"layers null", `{"rootfs":{"diff_ids":null}}`, 0},
		{"no root filesystem", `{}`, 0},
		{"of an artifact", `{"name":"chart","version":"1.0"}`, 0},
		{"unknown fields", `{"x":{"y":[1]},"rootfs":{"diff_ids":["` + id + `"]}}`, 1},
		{"labels that differ in case", `{"config":{"Labels":{"a":"","A":""}}}`, 0},
		{"unknown names that differ in case", `{"parameters":{"port":1,"PORT":2}}`, 0},
		{"a field of its configuration that differs in case", `{"config":{"Env":["A=1"],"env":["A=2"]}}`, -1},
		{"a label twice", `{"config":{"Labels":{"a":"","a":""}}}`, -1},
		{"two lists of diff IDs", `{"rootfs":{"diff_ids":[],"diff_ids":["` + id + `"]}}`, -1},
		{"two root filesystems", `{"rootfs":{"diff_ids":[]},"RootFS":{"diff_ids":["` + id + `"]}}`, -1},
		{"path as a diff ID", `{"rootfs":{"diff_ids":["sha256:../../x"]}}`, -1},
		{"empty diff ID", `{"rootfs":{"diff_ids":["` + id + `",""]}}`, -1},
		{"md5", `{"rootfs":{"diff_ids":["md5:` + strings.Repeat("0", 32) + `"]}}`, -1},
		{"wrong type", `{"rootfs":{"diff_ids":"` + id + `"}}`, -1},
		{"list", `[]`, -1},
		{"nothing", ``, -1},
		{"cut off", `{"rootfs":`, -1},
		{"impossible date", `{"created":"yesterday"}`, -1},
		{"as large as allowed", `{}` + strings.Repeat(" ", image.MaxConfigSize-2), 0},
		{"too many values", `{"x":[` + strings.Repeat("0,", 300_000) + "0]}", -1},
		{"too large", `{}` + strings.Repeat(" ", image.MaxConfigSize-1), -1},
	} {
		got, err := image.ParseConfig([]byte(c.raw))
		if (err == nil) != (c.layers >= 0) || err == nil && len(got.RootFS.DiffIDs) != c.layers {
			t.Errorf("%s: %v, %v; want %d diff IDs", c.name, got.RootFS.DiffIDs, err, c.layers)
		}
	}
}

// Docker takes a command that is a bare string, as old images have it.
func TestParseConfigOfBareCommands(t *testing.T) {
	for raw, want := range map[string][2][]string{
		`{"config":{"Cmd":"sh","Entrypoint":["/a","b"],"User":"me"}}`: {{"sh"}, {"/a", "b"}},
		`{"config":{"Cmd":null,"Entrypoint":"/a","User":"me"}}`:       {nil, {"/a"}},
	} {
		got, err := image.ParseConfig([]byte(raw))
		if err != nil || !slices.Equal(got.Config.Cmd, want[0]) || !slices.Equal(got.Config.Entrypoint, want[1]) || got.Config.User != "me" {
			t.Errorf("%s: %+v, %v", raw, got.Config, err)
		}
	}
	if _, err := image.ParseConfig([]byte(`{"config":{"Cmd":[1]}}`)); err == nil {
		t.Error("a command of numbers is accepted")
	}
}

// The chain of a and b was made with sha256sum, following the definition in the image specification.
func TestChainID(t *testing.T) {
	a, b := digest.FromString("a"), digest.FromString("b")
	ab := digest.FromString(a.String() + " " + b.String())
	if ab != "sha256:51c0c8ace48498d6f5fee6b0592cc06f2da0f3cbe09c5a34a97dce85c3889676" {
		t.Fatalf("the test's own chain is %s", ab)
	}
	for _, c := range []struct {
		ids  []digest.Digest
		want digest.Digest
	}{
		{nil, ""}, {[]digest.Digest{a}, a}, {[]digest.Digest{a, b}, ab},
		{[]digest.Digest{a, b, a}, digest.FromString(ab.String() + " " + a.String())},
	} {
		if got := image.ChainID(c.ids); got != c.want {
			t.Errorf("image.ChainID(%v) = %s, want %s", c.ids, got, c.want)
		}
	}
}
