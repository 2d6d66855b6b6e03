package terminal

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Writer writes text that people read. What is not printable comes out escaped, whoever has made the text:
// control characters, marks that reorder or hide text, bytes that are no UTF-8. Line ends, tabs and
// spaces of all kinds stay. In
// JSON the escapes mean the same characters. Each Write holds whole characters and makes one write of W.
type Writer struct {
	W    io.Writer
	Mask func(string) string // takes secrets out of the text; may be nil
}

// Write implements io.Writer.
func (w Writer) Write(p []byte) (int, error) {
	text := string(p)
	if w.Mask != nil {
		text = w.Mask(text)
	}
	if _, err := io.WriteString(w.W, escape(text, isSpace)); err != nil {
		return 0, err
	}
	return len(p), nil
}

func isSpace(r rune) bool { return r == '\n' || r == '\t' || unicode.Is(unicode.Zs, r) }

// Sprintf formats like fmt.Sprintf, but what is not printable in an argument comes out escaped, also line
// ends: no name can begin a line of its own.
func Sprintf(format string, args ...any) string {
	safe := make([]any, len(args))
	for i, a := range args {
		safe[i] = argument{a}
	}
	return fmt.Sprintf(format, safe...)
}

type argument struct{ value any }

// Format implements fmt.Formatter.
func (a argument) Format(f fmt.State, verb rune) {
	io.WriteString(f, Line(fmt.Sprintf(fmt.FormatString(f, verb), a.value)))
}

// Line makes a text fit for a line of a terminal: it escapes what is not printable.
func Line(s string) string { return escape(s, func(rune) bool { return false }) }

func escape(s string, keep func(rune) bool) string {
	if isPlain(s, keep) {
		return s
	}
	plain := func(r rune) bool { return printable(r) || keep(r) }
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	var b strings.Builder
	for i, n := 0, 0; i < len(s); i += n {
		var r rune
		r, n = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case plain(r):
			b.WriteRune(r)
		case r < ' ':
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// isPlain reports whether s is ASCII without anything to escape, as nearly all texts are.
func isPlain(s string, keep func(rune) bool) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' || c >= 0x7f) && (c >= utf8.RuneSelf || !keep(rune(c))) {
			return false
		}
	}
	return true
}

// printable reports whether a character shows as what it is. Go counts some letters as printable that show
// as nothing at all.
func printable(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= ' ' && r < 0x7f
	}
	return strconv.IsPrint(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}
