package guide

import "testing"

func TestChoice(t *testing.T) {
	for value, want := range map[string]string{
		"gzip":  "",
		"gzp":   `there is no --compress "gzp": did you mean gzip?`,
		"gizp":  `there is no --compress "gizp": did you mean gzip?`,
		"ZSTD":  `there is no --compress "ZSTD": did you mean zstd?`,
		"brown": `there is no --compress "brown", only gzip, zstd and none`,
		"":      `there is no --compress "", only gzip, zstd and none`,
	} {
		got := ""
		if err := Choice("compress", value); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func TestPlatform(t *testing.T) {
	for _, c := range []struct{ os, architecture, want string }{
		{"linux", "amd46", "did you mean linux/amd64?"},
		{"linx", "arm64", "did you mean linux/arm64?"},
		{"linux", "amr64", "did you mean linux/arm64?"},
		{"linux", "arm64", ""}, // a letter away from amd64
		{"linux", "arm", ""},
		{"linux", "s390x", ""},
		{"windws", "ppc64el", "did you mean windows/ppc64le?"},
		{"plan9", "toaster", ""},
		{"", "", ""},
	} {
		if got := Platform(c.os, c.architecture); got != c.want {
			t.Errorf("%s/%s: %q, want %q", c.os, c.architecture, got, c.want)
		}
	}
}
