// Package plaintext reads text in the forms in which editors and shells save it. Windows programs put a byte
// order mark before UTF-8, and PowerShell's > writes UTF-16.
package plaintext

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// UTF8 returns the text in raw as UTF-8 without a byte order mark
// (https://www.rfc-editor.org/rfc/rfc3629#section-6). UTF-16 is recognised by its mark, or by a zero byte in
// the first character. All other text comes back as it is, and shares memory with raw. The result is at most
// one and a half times as long.
func UTF8(raw []byte) []byte {
	if text, marked := bytes.CutPrefix(raw, []byte("\xef\xbb\xbf")); marked {
		return text
	}
	if len(raw) < 2 {
		return raw
	}
	switch a, b := raw[0], raw[1]; {
	case a == 0xff && b == 0xfe:
		return fromUTF16(raw[2:], binary.LittleEndian)
	case a == 0xfe && b == 0xff:
		return fromUTF16(raw[2:], binary.BigEndian)
	case a != 0 && b == 0:
		return fromUTF16(raw, binary.LittleEndian)
	case a == 0 && b != 0:
		return fromUTF16(raw, binary.BigEndian)
	}
	return raw
}

func fromUTF16(raw []byte, order binary.ByteOrder) []byte {
	text := make([]byte, 0, len(raw))
	for len(raw) >= 2 {
		r := rune(order.Uint16(raw))
		raw = raw[2:]
		if utf16.IsSurrogate(r) && len(raw) >= 2 {
			if whole := utf16.DecodeRune(r, rune(order.Uint16(raw))); whole != utf8.RuneError {
				r, raw = whole, raw[2:]
			}
		}
		text = utf8.AppendRune(text, r)
	}
	if len(raw) > 0 { // half a character is missing
		text = utf8.AppendRune(text, utf8.RuneError)
	}
	return text
}
