package source_test

import (
	stdcmp "cmp"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drayage/internal/source"
	"drayage/internal/usage"
	"drayage/registry"
)

func readList(text string) (names []string, err error) {
	var bad error
	err = source.ReadList(context.Background(), strings.NewReader(text), func(line int, name string) {
		names = append(names, name)
		if _, err := registry.ParseTyped(name); err != nil && bad == nil {
			bad = usage.Errorf("line %d: %v", line, err)
		}
	})
	return names, stdcmp.Or(err, bad)
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
		"find -print0":                  "alpine:3.20\x00corp.test/app:1\x00",
		"zeros behind its end":          "alpine:3.20\ncorp.test/app:1\n\x00\x00\x00",
		"control-Z":                     "alpine:3.20\r\ncorp.test/app:1\r\n\x1a",
		"grep image: of a chart":        "        image: alpine:3.20\n      - image: \"corp.test/app:1\"  # ours\n",
		"grep image of JSON":            "  \"image\": \"alpine:3.20\",\n  \"image\": \"corp.test/app:1\"\n",
		"kubectl describe":              "    Image:  alpine:3.20\n    Image:  corp.test/app:1\n",
		"a list of YAML":                "---\n- alpine:3.20\n- 'corp.test/app:1'\n...\n",
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

// Wild case 23, continued: of what is no list, the error says where and what it is.
func TestWild23NoLists(t *testing.T) {
	for text, want := range map[string]string{
		strings.Repeat("x", 5000):                           "line 1 has 5000 bytes",
		"a.tar" + strings.Repeat("\x00", 252) + "ustar\x00": "this is an archive",
		"\x28\xb5\x2f\xfd\x00":                              "this is an archive",
		"alpine\r\nalpine 3.20\n":                           "line 2: ",
		"alpine\n\n\nlibrary/alpine/\n":                     "line 4: ",
		"services:\n  web:\n    image: a\n":                 "line 1: ",
		"{\"images\": [\"alpine\"]}":                        "line 1: ",
		"[\"alpine\", \"a b\"]":                             "line 2: ",
		"docker pull alpine\n":                              "a space",
		"alpine corp.test/alpine\n":                         "a space",
		"FROM alpine AS build\n":                            "a space",
		"alpine, busybox":                                   "a space",
		"alpine\nimages.tar.gz\n":                           "called like a file",
		"https://corp.test/app?tab=tags":                    "web page",
		"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00":              "this is an archive",
		"image: docker-daemon:app:1":                        "docker save",
	} {
		_, err := readList(text)
		if !errors.As(err, new(*usage.Error)) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	for _, text := range []string{"", "\xff\xfe", "\xef\xbb\xbf", "# nothing", "[]", "---\n"} {
		if got, err := readList(text); err != nil || len(got) > 0 {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func FuzzReadList(f *testing.F) {
	f.Add("\xff\xfea\x00")
	f.Add("- image: \"a\"\n[\"b\"]")
	f.Fuzz(func(t *testing.T, text string) {
		size := 0
		err := source.ReadList(context.Background(), strings.NewReader(text), func(_ int, name string) {
			if size += len(name); name == "" {
				t.Error("a name is empty")
			}
		})
		if err == nil && size > 2*len(text) {
			t.Errorf("%d bytes of names in %d", size, len(text))
		}
	})
}
