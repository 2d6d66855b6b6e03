package complete

import "strings"

// bashLine is a command line of bash up to the cursor.
type bashLine struct {
	words  []string // without quotes; the last ends at the cursor
	piece  string   // what bash replaces of the last word, as it was typed
	quoted bool     // quotes or backslashes stand in the last word
}

// readBash reads a line as bash does, but for variables and commands in it, which stay as they are. Bash
// replaces a word only behind the last of the characters in breaks, or behind the quote that is open.
func readBash(line, breaks string) (l bashLine) {
	var word strings.Builder
	var quote byte
	begun, piece := false, 0
	for i := 0; i < len(line); i++ {
		c := line[i]
		isSpace := c == ' ' || c == '\t' || c == '\n'
		switch {
		case quote != 0 && c == quote:
			quote, piece = 0, i+1
		case c == '\\' && quote != '\'':
			l.quoted = true
			if i++; i < len(line) {
				if quote == '"' && strings.IndexByte("$`\"\\\n", line[i]) < 0 {
					word.WriteByte('\\')
				}
				word.WriteByte(line[i])
			}
		case quote == 0 && (c == '\'' || c == '"'):
			quote, l.quoted, piece = c, true, i+1
		case quote == 0 && isSpace && begun:
			l.words = append(l.words, word.String())
			word.Reset()
			fallthrough
		case quote == 0 && isSpace:
			begun, l.quoted, piece = false, false, i+1
			continue
		default:
			word.WriteByte(c)
			if quote == 0 && strings.IndexByte(breaks, c) >= 0 {
				piece = i + 1
			}
		}
		begun = true
	}
	l.words, l.piece = append(l.words, word.String()), line[min(piece, len(line)):]
	return l
}

// Bash completes a line of bash up to the cursor, the name of the program included. Breaks is what bash has
// in COMP_WORDBREAKS. The candidates are what bash puts in place of the last piece of the word.
func (c Completer) Bash(line, breaks string) Reply {
	l := readBash(line, breaks)
	r := c.Reply(l.words[min(1, len(l.words)-1):])
	word := l.words[len(l.words)-1]
	for i, x := range r.Candidates {
		r.Candidates[i] = Candidate{Word: l.piece + x.Word[len(word):]}
	}
	if l.quoted && r.Paths != NoPaths {
		r.Candidates = nil // bash itself continues quotes in names of files
	}
	return r
}
