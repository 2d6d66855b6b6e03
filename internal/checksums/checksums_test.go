package checksums_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/internal/checksums"
)

const (
	sum = "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90"
	d   = digest.Digest("sha256:" + sum)
)

// The golden lines were printed by sha256sum of GNU coreutils 9.1.
func TestEncode(t *testing.T) {
	for name, want := range map[string]string{
		"x.tar":  sum + "  x.tar\n",
		"a b":    sum + "  a b\n",
		"a\nb":   `\` + sum + `  a\nb` + "\n",
		`a\b`:    `\` + sum + `  a\\b` + "\n",
		"a\rb":   `\` + sum + `  a\rb` + "\n",
		" x.tar": sum + "   x.tar\n",
	} {
		lines := []checksums.Line{{Name: name, SHA256: d}}
		got := string(checksums.Encode(lines))
		if got != want {
			t.Errorf("%q: %q", name, got)
		}
		if back, err := checksums.Parse([]byte(got)); err != nil || !slices.Equal(back, lines) {
			t.Errorf("%q comes back as %q, %v", name, back, err)
		}
	}
}

func TestParse(t *testing.T) {
	upper := strings.ToUpper(sum)
	for text, want := range map[string]string{
		sum + "  x": "x", sum + " *x\r\n": "x", upper + "  x": "x", "\ufeff" + sum + "  x": "x",
		"# note\n\n" + sum + "  x": "x", "SHA256 (x) = " + sum: "x", "SHA256 (a) = b) = " + sum: "a) = b",
		`\SHA256 (a\nb) = ` + sum: "a\nb", sum + "   x": " x",
		sum: "", sum + " x": "", sum + "  ": "", sum[1:] + "  x": "", sum + "0  x": "", "z" + sum[1:] + "  x": "",
		`\` + sum + `  a\b`: "", `\` + sum + `  a\`: "", "SHA256 (x = " + sum: "", "": "",
		strings.Repeat("#", 1<<20+1): "",
	} {
		lines, err := checksums.Parse([]byte(text))
		got := ""
		if err == nil {
			got = lines[0].Name
		}
		if got != want || err == nil && (lines[0].SHA256 != d || len(lines) != 1) {
			t.Errorf("%.200q: %q, %v", text, lines, err)
		}
	}
}

// Whatever is read is written so that it is read again.
func FuzzParse(f *testing.F) {
	for _, text := range []string{sum + "  x\n", sum + " *x\r\n", `\` + sum + `  a\nb\\`, "SHA256 (x) = " + sum, "x"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		lines, err := checksums.Parse(raw)
		if err != nil {
			return
		}
		again, err := checksums.Parse(checksums.Encode(lines))
		if err != nil || !slices.Equal(again, lines) {
			t.Errorf("%q comes back as %q, %v", lines, again, err)
		}
	})
}
