package source

import (
	"context"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"unicode"

	"drayage/internal/compression"
	"drayage/internal/plaintext"
	"drayage/internal/usage"
)

const maxList, maxName = 16 << 20, 4 << 10 // bytes of a list of names, and of a line in it

// listed is a name in a list. In lines of YAML it has a key, and a dash before that.
var listed = regexp.MustCompile("(?is)^(?:[-*]\\s+)?(?:\"?image\"?:\\s*)?[\"'`]?(.*?)[\"'`]?,?$")

// ReadList reads names of images, and gives each to take: one a line, and # begins a comment. The text is in
// UTF-8 or UTF-16, with any line ends. It may be lines of YAML such as "- image: NAME", or an array of JSON,
// whose elements count as lines.
func ReadList(ctx context.Context, r io.Reader, take func(line int, name string)) error {
	raw, err := io.ReadAll(io.LimitReader(r, maxList+1))
	switch {
	case err != nil:
		return err
	case isArchive(raw):
		return usage.Errorf("this is an archive, and a list is text: drayage ls FILE shows what it holds")
	case len(raw) > maxList:
		return usage.Errorf("more than %d MiB: this is no list of images", maxList>>20)
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(plaintext.UTF8(raw)))
	var names []string
	if strings.HasPrefix(trim(text), "[") && json.Unmarshal([]byte(text), &names) == nil {
		text = strings.Join(names, "\n")
	}
	for i, line := range strings.Split(text, "\n") {
		if 2*strings.Count(line, "\x00")+1 >= len(line) { // UTF-16 that was appended to other text
			line = strings.ReplaceAll(line, "\x00", "")
		}
		for part := range strings.SplitSeq(line, "\x00") { // as find -print0 divides them
			part, _, _ = strings.Cut(part, "#")
			switch name := trim(listed.FindStringSubmatch(trim(part))[1]); {
			case len(name) > maxName:
				return usage.Errorf("line %d has %d bytes: this is no list of images", i+1, len(name))
			case name == "", name == "---", name == "...": // documents of YAML
			case ctx.Err() != nil:
				return context.Cause(ctx)
			default:
				take(i+1, name)
			}
		}
	}
	return nil
}

// isArchive reports whether a file is a tar or compressed. As a list it would be millions of wrong names.
func isArchive(raw []byte) bool {
	const magicAt = 257 // https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
	tar := len(raw) > magicAt && strings.HasPrefix(string(raw[magicAt:min(len(raw), magicAt+5)]), "ustar")
	return tar || compression.Detect(raw) != compression.None
}

// trim takes off what nobody sees. Lists that were put together have byte order marks inside.
func trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.In(r, unicode.Z, unicode.C) })
}
