package imagenames

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"drayage/internal/plaintext"
)

// keyed has a key that stands at the top of the files that are known here.
var keyed = regexp.MustCompile(`(?m)^(?:["']?(?:apiVersion|kind|services|jobs|runs|stages|include|default|` +
	`MANIFEST|spec)["']?[ \t]*:(?:[ \t\r]|$)|[ \t]+(?:script|extends)[ \t]*:|\{\{|[ \t]*- apiVersion:)`)

// mapped has a key at the top of a document.
var mapped = regexp.MustCompile(`(?m)^["']?[\w.$-]+["']?[ \t]*:(?:[ \t\r]|$)`)

// listed has an element of a list that is a mapping. A name with a tag has no space behind its colon.
var listed = regexp.MustCompile(`(?m)^-[ \t]+["']?[\w.$-]+["']?[ \t]*:(?:[ \t\r]|$)`)

// braced begins as a document of JSON that is more than a list of names.
var braced = regexp.MustCompile(`^\s*(?:\{|\[\s*\{)`)

// HeadSize are the bytes by which [Recognise] knows a file.
const HeadSize = headSize

// Recognise reports whether a file that begins with head is one to look for images in. Everything else is a
// list of names. It may also be wrong: a list counts as a list if all its lines are names.
func Recognise(head []byte, file string, anywhere bool) bool {
	if isDockerfile(head, file) {
		return true
	}
	head = plaintext.UTF8(head)
	known := slices.Contains([]string{".yaml", ".yml", ".json", ".tpl"}, filepath.Ext(base(file)))
	return keyed.Match(head) || braced.Match(head) ||
		(known || anywhere) && (mapped.Match(head) || listed.Match(head))
}

// from is a line of a Dockerfile that begins a stage, and argument one that may stand before that.
var (
	from = regexp.MustCompile(
		`(?im)^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*[^\s-]\S*(?:[ \t]+AS[ \t]+\S+)?[ \t]*\r?$`)
	argument = regexp.MustCompile(`(?i)^[ \t]*(?:FROM|ARG)[ \t]`)
)

// isDockerfile tells by the name of a file, or by its first instruction.
func isDockerfile(head []byte, file string) bool {
	head = plaintext.UTF8(head)
	name := base(file)
	if strings.HasPrefix(name, "dockerfile") || strings.HasPrefix(name, "containerfile") ||
		strings.HasSuffix(name, ".dockerfile") {
		return from.Match(head)
	}
	for line := range bytes.Lines(head) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return argument.Match(line) && from.Match(head)
		}
	}
	return false
}
