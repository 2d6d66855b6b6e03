package source

import (
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"unicode"

	"drayage/internal/plaintext"
	"drayage/internal/usage"
)

const maxList, maxName = 16 << 20, 4 << 10 // bytes of a list of names, and of a line in it

// listed is a name in a list. In lines of YAML it has a key, and a dash before that.
var listed = regexp.MustCompile("(?is)^(?:[-*]\\s+)?(?:\"?image\"?:\\s*)?[\"'`]?(.*?)[\"'`]?,?$")

// ReadList reads names of images: one a line, and # begins a comment. The text is in UTF-8 or UTF-16, with
// any line ends. It may be lines of YAML such as "- image: NAME", or an array of JSON.
func ReadList(r io.Reader) (names []string, err error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxList+1))
	switch {
	case err != nil:
		return nil, err
	case len(raw) > maxList:
		return nil, usage.Errorf("more than %d MiB: this is no list of images", maxList>>20)
	}
	text := strings.ReplaceAll(string(plaintext.UTF8(raw)), "\r", "\n")
	if strings.HasPrefix(trim(text), "[") && json.Unmarshal([]byte(text), &names) == nil {
		text = strings.Join(names, "\n")
	}
	names = nil
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.ReplaceAll(line, "\x00", ""), "#") // UTF-16 was appended to other text
		switch name := trim(listed.FindStringSubmatch(trim(line))[1]); {
		case len(name) > maxName:
			return nil, usage.Errorf("a line of %d bytes: this is no list of images", len(name))
		case name != "" && name != "---": // which begins a document of YAML
			names = append(names, name)
		}
	}
	return names, nil
}

// trim takes off what nobody sees. Lists that were put together have byte order marks inside.
func trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.In(r, unicode.Z, unicode.C) })
}
