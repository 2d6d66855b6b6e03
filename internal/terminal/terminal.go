// Package terminal makes text fit for terminals and for the people before them. Text from elsewhere may
// hold what a terminal obeys: here it is escaped, quoted or refused.
package terminal

import (
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"

	"drayage/internal/usage"
)

// Escape is [Line] of no more than limit bytes.
func Escape(s string, limit int) string {
	rest := ""
	if len(s) > limit {
		rest = fmt.Sprintf("... (%d bytes)", len(s))
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return Line(s) + rest
}

// Quote quotes a text if it holds what could be taken for more than text.
func Quote(s string) string {
	if q := strconv.Quote(s); q != `"`+s+`"` {
		return q
	}
	return s
}

// ShellWord quotes a path if it takes that to paste the path into a shell of this system.
func ShellWord(s string) string { return shellWord(s, runtime.GOOS == "windows") }

func shellWord(s string, windows bool) string {
	special := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') &&
			!strings.ContainsRune("/._-+:@%,=\\", r)
	}
	switch {
	case s == "-" || s != "" && !strings.HasPrefix(s, "-") && !strings.ContainsFunc(s, special):
		return s
	case windows && Line(s) == s && !strings.ContainsAny(s, "\"%$`"):
		return `"` + s + `"` // cmd knows no other quotes, and PowerShell takes these too
	case Line(s) == s:
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '\'' || c == '\\' {
			fmt.Fprintf(&b, `\%03o`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return "$'" + b.String() + "'"
}

// Size writes a number of bytes in units of a thousand, as registries and disks do.
func Size(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/unit, 0
	for v >= unit && i < 5 {
		v, i = v/unit, i+1
	}
	return fmt.Sprintf("%.1f %cB", v, "kMGTPE"[i])
}

// Number writes a number with commas between thousands.
func Number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Count writes a number of things.
func Count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}

// TextOnly is a terminal for bytes from elsewhere. It refuses what is not text, which could reprogram it, and
// writes the rest as [Writer] does.
type TextOnly struct{ W io.Writer }

// Write implements io.Writer.
func (w TextOnly) Write(p []byte) (int, error) {
	if isBinary(p) {
		return 0, usage.Errorf("the content is binary and not for a terminal: " +
			"give -o FILE, or send the output somewhere")
	}
	lines := strings.Split(string(p), "\r\n") // a carriage return alone could hide what is before it
	for i := range lines {
		lines[i] = escape(lines[i], isSpace)
	}
	if _, err := io.WriteString(w.W, strings.Join(lines, "\r\n")); err != nil {
		return 0, err
	}
	return len(p), nil
}

// isBinary reports whether p has control characters, also those of 8-bit terminals (U+0080 to U+009F).
func isBinary(p []byte) bool {
	for i, c := range p {
		switch {
		case c < ' ' && c != '\n' && c != '\t' && c != '\r', c == 0x7f:
			return true
		case c == 0xc2 && i+1 < len(p) && p[i+1] >= 0x80 && p[i+1] <= 0x9f:
			return true
		}
	}
	return false
}
