package book

import (
	"strconv"
	"strings"
	"unicode"
)

// anchors counts the anchors of one page, so that each is given once.
type anchors map[string]int

// of is the anchor that GitHub gives to a heading. Links between the pages work there and here.
func (a anchors) of(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Pc):
			b.WriteRune(r)
		}
	}
	id := b.String()
	for given := id; ; given = id + "-" + strconv.Itoa(a[id]) {
		if _, taken := a[given]; !taken {
			a[given] = 0
			return given
		}
		a[id]++
	}
}
