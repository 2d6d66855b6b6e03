package source_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drayage/internal/source"
	"drayage/internal/usage"
)

func readList(text string) (names []string, err error) {
	return source.ReadList(strings.NewReader(text))
}

func utf16(order binary.AppendByteOrder, text string) string {
	var raw []byte
	for _, c := range text {
		raw = order.AppendUint16(raw, uint16(c))
	}
	return string(raw)
}

// Wild case 23: lists as PowerShell, editors and other programs write them.
func TestWild23Lists(t *testing.T) {
	const list = "# images\r\nalpine:3.20\r\n\r\n\tcorp.test/app:1 # ours\r\n"
	little, big := binary.LittleEndian, binary.BigEndian
	for name, text := range map[string]string{
		"UTF-8":                         list,
		"UTF-8 with a mark":             "\ufeff" + list,
		"a mark inside":                 "\ufeffalpine:3.20\n\ufeffcorp.test/app:1",
		"no-break and zero width":       "alpine:3.20\u200b\n\u00a0corp.test/app:1\u00a0",
		"CR":                            strings.ReplaceAll(list, "\r\n", "\r"),
		"UTF-16, little endian":         utf16(little, "\ufeff"+list),
		"UTF-16, big endian":            utf16(big, "\ufeff"+list),
		"UTF-16 without a mark":         utf16(little, list),
		"UTF-16 that >> has added":      "alpine:3.20\n" + utf16(little, "corp.test/app:1\r\n"),
		"UTF-32":                        utf16(little, "\ufeff\x00"+strings.ReplaceAll(list, "", "\x00")),
		"zeros behind its end":          "alpine:3.20\ncorp.test/app:1\n\x00\x00\x00",
		"control-Z":                     "alpine:3.20\r\ncorp.test/app:1\r\n\x1a",
		"grep image: of a chart":        "        image: alpine:3.20\n      - image: \"corp.test/app:1\"  # ours\n",
		"grep image of JSON":            "  \"image\": \"alpine:3.20\",\n  \"image\": \"corp.test/app:1\"\n",
		"kubectl describe":              "    Image:  alpine:3.20\n    Image:  corp.test/app:1\n",
		"bullets":                       "* `alpine:3.20`\n* corp.test/app:1\n",
		"quotes and commas":             "\"alpine:3.20\",\n\"corp.test/app:1\",\n",
		"an array of JSON":              "\ufeff[\n \"alpine:3.20\",\n \"corp.test/app:1\"]\n",
		"an array of JSON, one line":    `["alpine:3.20","corp.test/app:1"]`,
		"a comment that is not UTF-8":   "# caf\xe9\nalpine:3.20\ncorp.test/app:1",
		"form feed and vertical tab":    "\falpine:3.20\v\ncorp.test/app:1",
		"a hash sign without space":     "alpine:3.20#ours\ncorp.test/app:1#\n#",
		"spaces around the last line's": "alpine:3.20\n \t corp.test/app:1 \t ",
	} {
		got, err := readList(text)
		if diff := cmp.Diff([]string{"alpine:3.20", "corp.test/app:1"}, got); err != nil || diff != "" {
			t.Errorf("%s: %v%s", name, err, diff)
		}
	}
}

// Wild case 23, continued: what is no list, and lists of nothing.
func TestWild23NoLists(t *testing.T) {
	if _, err := readList(strings.Repeat("x", 5000)); !errors.As(err, new(*usage.Error)) {
		t.Errorf("no list: %v", err)
	}
	for _, text := range []string{"", "\xff\xfe", "\xef\xbb\xbf", "# nothing", "[]", "---\n", "- image:\n"} {
		if got, err := readList(text); err != nil || len(got) > 0 && got[0] != "image:" {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func FuzzReadList(f *testing.F) {
	f.Add("\xff\xfea\x00")
	f.Add("- image: \"a\"\n[\"b\"]")
	f.Fuzz(func(t *testing.T, text string) {
		names, err := readList(text)
		if err == nil && len(strings.Join(names, "")) > 2*len(text) || slices.Contains(names, "") {
			t.Errorf("%q: %q", text, names)
		}
	})
}
