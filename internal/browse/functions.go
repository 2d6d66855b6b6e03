package browse

import (
	"html/template"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
)

// functions are those that templates use.
var functions = template.FuncMap{"short": short, "count": count, "thousands": thousands}

// short is the beginning of a digest, which tells two apart.
func short(d any) string {
	text := ""
	switch d := d.(type) {
	case digest.Digest:
		text = d.String()
	case string:
		text = d
	}
	algorithm, hex, ok := strings.Cut(text, ":")
	if !ok || len(hex) <= 12 {
		return text
	}
	return algorithm + ":" + hex[:12]
}

// count is a number of things.
func count(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + several
}

// thousands divides a number at its thousands.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
