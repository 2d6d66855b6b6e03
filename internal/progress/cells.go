package progress

import (
	"strings"
	"unicode"
)

// Cells returns how many cells of a terminal a text takes at most.
func Cells(s string) int {
	n := 0
	for _, r := range s {
		n += cells(r)
	}
	return n
}

// cells counts each character beyond the alphabets of Europe as two cells. Terminals disagree about many of
// them, and a line that is a little short does no harm.
func cells(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r < 0x1100 || r >= 0x2000 && r < 0x2100:
		return 1
	}
	return 2
}

// cutName shortens the name of an image, whose end says most: it drops the registry first, then the folders,
// and then cuts what is left.
func cutName(name string, width int) string {
	for Cells(name) > width {
		_, rest, ok := strings.Cut(name, "/")
		if !ok {
			break
		}
		name = rest
	}
	n := Cells(name)
	if n <= width {
		return name
	}
	for i, r := range name {
		if n < width {
			return "~" + name[i:]
		}
		n -= cells(r)
	}
	return "~"
}
