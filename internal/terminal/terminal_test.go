package terminal

import (
	"bytes"
	"testing"
)

func TestTextOnly(t *testing.T) {
	for text, ok := range map[string]bool{
		"{\n\t\"k\": \"ü\"\r\n}": true, "": true, "\x1f\x8b\x08": false, "a\x1b[31m": false, "a\x00": false,
		"\x7f": false, "\u009b31m": false, "\u00a0": true,
	} {
		var b bytes.Buffer
		n, err := TextOnly{Writer: &b}.Write([]byte(text))
		if ok != (err == nil) || ok != (b.String() == text) || ok && n != len(text) {
			t.Errorf("%q: %d, %v, %q", text, n, err, b.String())
		}
	}
}
