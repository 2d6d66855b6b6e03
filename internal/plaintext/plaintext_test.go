package plaintext_test

import (
	"testing"
	"unicode/utf8"

	"drayage/internal/plaintext"
)

func TestWild23UTF8(t *testing.T) {
	for name, c := range map[string]struct{ raw, want string }{
		"nothing":                     {"", ""},
		"one byte":                    {"a", "a"},
		"UTF-8":                       {"grüße\n", "grüße\n"},
		"UTF-8 with a mark":           {"\xef\xbb\xbf{}", "{}"},
		"only the first mark":         {"\xef\xbb\xbf\xef\xbb\xbf{}", "\xef\xbb\xbf{}"},
		"UTF-16, little endian":       {"\xff\xfel\x00i\x00\r\x00\n\x00", "li\r\n"},
		"UTF-16, big endian":          {"\xfe\xff\x00l\x00i", "li"},
		"little endian without mark":  {"{\x00}\x00", "{}"},
		"big endian without mark":     {"\x00{\x00}", "{}"},
		"a character of two units":    {"\xff\xfe\x3d\xd8\x00\xde!\x00", "\U0001f600!"},
		"half a character of two":     {"\xff\xfe\x3d\xd8!\x00", "\ufffd!"},
		"half a unit at the end":      {"\xff\xfea\x00b", "a\ufffd"},
		"a mark alone":                {"\xff\xfe", ""},
		"bytes that are no text":      {"\x00\x00\x01", "\x00\x00\x01"},
		"DER stays":                   {"\x30\x82\x01\x0a", "\x30\x82\x01\x0a"},
		"Latin-1 stays":               {"caf\xe9", "caf\xe9"},
		"a zero later makes no UTF16": {"ab\x00", "ab\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(plaintext.UTF8([]byte(c.raw))); got != c.want {
				t.Errorf("%q becomes %q, want %q", c.raw, got, c.want)
			}
		})
	}
}

func FuzzUTF8(f *testing.F) {
	f.Add([]byte("\xff\xfea\x00"))
	f.Add([]byte("\xfe\xff\xd8\x3d\xde\x00"))
	f.Add([]byte("\xef\xbb\xbf{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := plaintext.UTF8(raw)
		if len(got) > len(raw)+len(raw)/2+3 {
			t.Errorf("%d bytes become %d", len(raw), len(got))
		}
		if utf8.Valid(raw) && !utf8.Valid(got) {
			t.Errorf("%q becomes %q", raw, got)
		}
	})
}
