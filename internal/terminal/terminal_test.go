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
		n, err := TextOnly{W: &b}.Write([]byte(text))
		if ok != (err == nil) || ok != (b.String() == text) || ok && n != len(text) {
			t.Errorf("%q: %d, %v, %q", text, n, err, b.String())
		}
	}
}

// Wild case 43.
func TestWild43NothingUnprintableIsWritten(t *testing.T) {
	for text, want := range map[string]string{
		"plain \tü 日本語 ❤\ufe0f\n":            "plain \tü 日本語 ❤\ufe0f\n",
		"\x1b]0;x\a\b\r\x00\x7f":             `\x1b]0;x\a\b\r\x00\u007f`,
		"\u0085\u009b\u202e\u2066\u200b":     `\u0085\u009b\u202e\u2066\u200b`,
		"\u2028\ufeff\u3164\u00ad\U000e0041": `\u2028\ufeff\u3164\u00ad\udb40\udc41`,
		"\x9b\xff\xe2\x80":                   `\x9b\xff\xe2\x80`,
		"\ufffd a\u00a0b\u3000c":             "\ufffd a\u00a0b\u3000c",
	} {
		var b bytes.Buffer
		if n, err := (Writer{W: &b}).Write([]byte(text)); err != nil || n != len(text) || b.String() != want {
			t.Errorf("%q: %d, %v, %s", text, n, err, b.String())
		}
	}
	if got, want := Sprintf("%s:\n%6d%% %q %v", "a\nb\tc\u00a0", 12, "\x1b", []string{"\n"}),
		`a\nb\tc\u00a0:`+"\n    12% "+`"\x1b" [\n]`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// cmd takes ' for a part of the name. What means something between " stays in the quotes of PowerShell.
func TestShellWordOfWindows(t *testing.T) {
	for path, want := range map[string]string{
		`C:\images\a.tar`: `C:\images\a.tar`, `my file.tar`: `"my file.tar"`, `it's.tar`: `"it's.tar"`,
		`%TMP% a`: `'%TMP% a'`, `$x a`: `'$x a'`,
	} {
		if got := shellWord(path, true); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestShellWord(t *testing.T) {
	for path, want := range map[string]string{
		"a.tar": "a.tar", "-": "-", "-x": "'-x'", "a b": "'a b'", "it's": `'it'\''s'`, "": "''",
		"a\nb": `$'a\012b'`, "\u202e'\\": `$'\342\200\256\047\134'`,
	} {
		if got := shellWord(path, false); got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
}
