package image_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"drayage/image"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestParseConfig(t *testing.T) {
	id := digest.FromString("a").String()
	for _, c := range []struct {
		name, raw string
		layers    int // -1: the diff IDs are refused; -2: all of it is
	}{
		{"two layers", `{"os":"linux","rootfs":{"type":"layers","diff_ids":["` + id + `","` + id + `"]}}`, 2},
		{"no layers", `{"rootfs":{"type":"layers","diff_ids":[]}}`, 0},
		{"layers null", `{"rootfs":{"diff_ids":null}}`, 0},
		{"no root filesystem", `{}`, 0},
		{"of an artifact", `{"name":"chart","version":"1.0"}`, 0},
		{"unknown fields", `{"x":{"y":[1]},"rootfs":{"diff_ids":["` + id + `"]}}`, 1},
		{"wild case 4: an empty date", `{"created":"","rootfs":{"diff_ids":["` + id + `"]}}`, 1},
		{"wild case 4: a number as a label", `{"config":{"Labels":{"a":1}},"rootfs":{"diff_ids":["` + id + `"]}}`,
			1},
		{"wild case 4: a number as a user", `{"config":{"User":1000},"rootfs":{"diff_ids":["` + id + `"]}}`, 1},
		{"a command of numbers", `{"config":{"Cmd":[1]}}`, 0},
		{"a history that is none", `{"history":"long"}`, 0},
		{"wild case 55: a label twice", `{"config":{"Labels":{"a":"","a":""}}}`, 0},
		{"wild case 55: a key twice but for case", `{"config":{"Env":["A=1"],"env":["A=2"]}}`, 0},
		{"two lists of diff IDs: the last counts", `{"rootfs":{"diff_ids":[],"diff_ids":["` + id + `"]}}`, 1},
		{"a path as a diff ID", `{"rootfs":{"diff_ids":["sha256:../../x"]}}`, -1},
		{"an empty diff ID", `{"rootfs":{"diff_ids":["` + id + `",""]}}`, -1},
		{"md5", `{"rootfs":{"diff_ids":["md5:` + strings.Repeat("0", 32) + `"]}}`, -1},
		{"diff IDs of a wrong type", `{"rootfs":{"diff_ids":"` + id + `"}}`, -1},
		{"the exact spelling counts", `{"rootfs":{"diff_ids":["` + id + `"]},"Rootfs":{"diff_ids":[]}}`, 1},
		{"another spelling", `{"RootFS":{"Diff_IDs":["` + id + `"]}}`, 1},
		{"a byte order mark", "\xef\xbb\xbf" + `{"rootfs":{"diff_ids":["` + id + `"]}}`, 1},
		{"UTF-16", "{\x00}\x00", 0},
		{"a second document", `{"rootfs":{"diff_ids":["` + id + `"]}}{}`, 1},
		{"no UTF-8", "{\"author\":\"\xff\",\"rootfs\":{\"diff_ids\":[\"" + id + "\"]}}", 1},
		{"a huge number", `{"os":1e999,"rootfs":{"diff_ids":["` + id + `"]}}`, 1},
		{"a number among diff IDs", `{"rootfs":{"diff_ids":["` + id + `",7]}}`, -1},
		{"nested deep", `{"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, 0},
		{"a list", `[]`, -2},
		{"nothing", ``, -2},
		{"cut off", `{"rootfs":`, -2},
		{"as large as allowed", `{}` + strings.Repeat(" ", image.MaxConfigSize-2), 0},
		{"too many values", `{"x":[` + strings.Repeat("0,", 300_000) + "0]}", -2},
		{"too large", `{}` + strings.Repeat(" ", image.MaxConfigSize-1), -2},
	} {
		got, err := image.ParseConfig([]byte(c.raw))
		if (err == nil) != (c.layers > -2) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil {
			continue
		}
		if ids, err := got.DiffIDs(max(c.layers, 1)); c.layers != 0 && (err == nil) != (c.layers > 0) {
			t.Errorf("%s: %v, %v; want %d diff IDs", c.name, ids, err, c.layers)
		}
	}
}

func TestConfigTellsPlatformAndDate(t *testing.T) {
	created := time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)
	for raw, want := range map[string]image.Config{
		`{"os":"windows","architecture":"amd64","variant":"v2","os.version":"10.0","created":"2024-02-03T04:05:06Z"}`: {
			Platform: v1.Platform{OS: "windows", Architecture: "amd64", Variant: "v2", OSVersion: "10.0"},
			Created:  created,
		},
		`{"os":7,"architecture":"amd64","created":"yesterday"}`: {Platform: v1.Platform{Architecture: "amd64"}},
		`{"os":null,"created":0}`:                               {},
		`{"os":"linux","OS":"windows","Architecture":"arm"}`:    {Platform: v1.Platform{OS: "linux", Architecture: "arm"}},
	} {
		got, err := image.ParseConfig([]byte(raw))
		if err != nil || !got.Created.Equal(want.Created) || !reflect.DeepEqual(got.Platform, want.Platform) {
			t.Errorf("%s: %+v, %v", raw, got, err)
		}
	}
}

// The chain of a and b was made with sha256sum, following the definition in the image specification.
func TestChainIDs(t *testing.T) {
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
		got := image.ChainIDs(c.ids)
		if len(got) != len(c.ids) || len(got) > 0 && got[len(got)-1] != c.want {
			t.Errorf("image.ChainIDs(%v) = %s, want %s", c.ids, got, c.want)
		}
	}
}
