package source

import (
	"bufio"
	"io"
	"strings"
)

// maxList bounds a list of names.
const maxList = 16 << 20

// ReadList reads names of images: one a line, and # begins a comment.
func ReadList(r io.Reader) (names []string, err error) {
	lines := bufio.NewScanner(io.LimitReader(r, maxList))
	for lines.Scan() {
		text := strings.TrimPrefix(lines.Text(), "\ufeff") // editors on Windows begin a file with that mark
		line, _, _ := strings.Cut(text, "#")
		if line = strings.TrimSpace(line); line != "" {
			names = append(names, line)
		}
	}
	return names, lines.Err()
}
