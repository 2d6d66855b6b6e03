package progress

import "unicode"

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

// Cut shortens a text to a number of cells. Where something is missing it says so.
func Cut(s string, width int) string {
	if Cells(s) <= width {
		return s
	}
	n := 0
	for i, r := range s {
		if n += cells(r); n > width-1 {
			return s[:i] + "~"
		}
	}
	return s
}

// cutLeft is Cut at the beginning of a text: of the name of an image its end says most.
func cutLeft(s string, width int) string {
	n := Cells(s)
	if n <= width {
		return s
	}
	for i, r := range s {
		if n <= width-1 {
			return "~" + s[i:]
		}
		n -= cells(r)
	}
	return "~"
}
