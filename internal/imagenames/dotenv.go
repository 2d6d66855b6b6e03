package imagenames

import (
	"strings"

	"drayage/internal/plaintext"
)

// readEnv reads a file of variables as Compose does: NAME=VALUE lines, comments, quotes. A value may use
// variables of lines above it, and of outer.
func readEnv(raw []byte, outer variables) map[string]string {
	vars := map[string]string{}
	get := func(name string) (string, bool) {
		if v, set := outer(name); set {
			return v, true
		}
		v, set := vars[name]
		return v, set
	}
	text := strings.ReplaceAll(string(plaintext.UTF8(raw)), "\r\n", "\n")
	for text != "" {
		var line string
		if line, text, _ = strings.Cut(text, "\n"); isComment(line) {
			continue
		}
		name, value, found := cutAssignment(line)
		if !found {
			if v, set := outer(name); set && name != "" { // a name alone stands for the outer value
				vars[name] = v
			}
			continue
		}
		var plain bool
		value, text, plain = envValue(value, text)
		if !plain {
			in := interpolation{get: get, loose: true}
			value, _ = in.all(value, 0)
		}
		vars[name] = value
	}
	return vars
}

func isComment(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || line[0] == '#'
}

// cutAssignment divides NAME=VALUE or NAME: VALUE.
func cutAssignment(line string) (name, value string, found bool) {
	line = strings.TrimLeft(line, " \t")
	line, _ = strings.CutPrefix(line, "export ")
	i := strings.IndexAny(line, "=:")
	if i < 0 {
		return strings.TrimSpace(line), "", false
	}
	return strings.TrimSpace(line[:i]), strings.TrimLeft(line[i+1:], " \t"), true
}

// envValue takes off quotes and comments. A quoted value may go on in the text that follows. What was in
// single quotes is plain: it has no variables.
func envValue(value, text string) (content, rest string, plain bool) {
	if value == "" || value[0] != '"' && value[0] != '\'' {
		if i := strings.Index(value, " #"); i >= 0 {
			value = value[:i]
		}
		return strings.TrimSpace(value), text, false
	}
	quote, whole := value[0], value[1:]+"\n"+text
	var out strings.Builder
	for i := 0; i < len(whole); i++ {
		switch c := whole[i]; {
		case c == quote:
			_, rest, _ = strings.Cut(whole[i+1:], "\n")
			return out.String(), rest, quote == '\''
		case c == '\\' && i+1 < len(whole) && (quote == '"' || whole[i+1] == quote):
			i++
			out.WriteString(unescape(whole[i]))
		default:
			out.WriteByte(c)
		}
	}
	return strings.TrimSpace(value), text, true // the quote is never closed
}

// unescape is what a character behind a backslash stands for.
func unescape(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case 'r':
		return "\r"
	case 't':
		return "\t"
	case '"', '\'', '\\':
		return string(c)
	case '$':
		return "$$"
	}
	return "\\" + string(c)
}
