// Package complete answers a shell that asks what may stand where the cursor is. [Script] has a script for
// each shell. The script asks drayage with the words that stand before the cursor, and [Completer.Reply]
// finds the candidates: commands, flags, values, names of images. Names of files are left to the shell, which
// knows how it writes them.
//
// What a candidate adds to the typed word is of letters, digits and a few signs that no shell reads as
// anything else ([isSafe]). A name from a layout or a registry that has other characters is left out.
package complete

import (
	"slices"
	"strings"

	"drayage/internal/guide"
)

// maxCandidates bounds what a shell has to show. More than that nobody reads.
const maxCandidates = 500

// Paths says which names of files a shell adds to the candidates.
type Paths string

// The kinds of names of files.
const (
	NoPaths     Paths = "words"
	Files       Paths = "files"
	Directories Paths = "directories"
)

// Candidate is a word that may stand where the cursor is.
type Candidate struct{ Word, Text string }

// Reply is what may stand where the cursor is.
type Reply struct {
	Candidates []Candidate
	Paths      Paths
	Skip       int // bytes of the word that stand before a path
}

// Completer knows what can be typed, and asks for the rest.
type Completer struct {
	Tool   guide.Tool
	Global []guide.Flag                                      // those that need no command
	Words  map[string][]Candidate                            // for placeholders of arguments, such as PAGE
	Images func(dir string) []string                         // names in a layout
	Tags   func(before []string, repository string) []string // before are the words before the cursor
}

// position is where the cursor is.
type position struct {
	command *guide.Command // nil if none has been typed
	flag    *guide.Flag    // whose value is expected, or nil
	given   []string       // names of flags
	args    int            // arguments before the cursor
	lost    bool           // a word stands where a command belongs
	literal bool           // behind --, where nothing is a flag
}

// Reply completes the last of the words behind the name of the program. The other words are complete.
func (c Completer) Reply(words []string) Reply {
	if len(words) == 0 {
		words = []string{""}
	}
	before, word := words[:len(words)-1], words[len(words)-1]
	r := c.reply(before, word)
	if r.Paths == "" {
		r.Paths = NoPaths
	}
	fits := func(x Candidate) bool {
		rest, ok := strings.CutPrefix(x.Word, word)
		return ok && isSafe(rest)
	}
	r.Candidates = slices.DeleteFunc(r.Candidates, func(x Candidate) bool { return !fits(x) })
	r.Candidates = r.Candidates[:min(len(r.Candidates), maxCandidates)]
	return r
}

// isSafe reports whether no shell reads a text as anything but itself.
func isSafe(text string) bool {
	for i := range len(text) {
		c := text[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("._-/:@=+,", rune(c)) {
			return false
		}
	}
	return true
}

func (c Completer) reply(before []string, word string) Reply {
	at := c.read(before)
	isFlag := strings.HasPrefix(word, "-") && !at.literal
	name, value, set := strings.Cut(word, "=")
	switch {
	case at.flag != nil:
		return c.value(*at.flag, word, 0)
	case at.lost:
		return Reply{}
	case at.command == nil && isFlag:
		return Reply{Candidates: flagNames(c.Global, nil)}
	case at.command == nil:
		return Reply{Candidates: c.commands()}
	case isFlag && set:
		if f := flag(at.command, name); f != nil && f.Value {
			return c.value(*f, value, len(name)+1).behind(name + "=")
		}
		return Reply{}
	case isFlag:
		return Reply{Candidates: flagNames(at.command.Flags, at.given)}
	}
	return c.argument(at, before, word)
}

// behind puts a text before all candidates.
func (r Reply) behind(prefix string) Reply {
	for i := range r.Candidates {
		r.Candidates[i].Word = prefix + r.Candidates[i].Word
	}
	return r
}

// read finds out where the cursor is. Flags may stand before the command.
func (c Completer) read(before []string) (at position) {
	for _, word := range before {
		isFlag := strings.HasPrefix(word, "-") && len(word) > 1 && !at.literal
		name, _, set := strings.Cut(word, "=")
		switch {
		case at.flag != nil:
			at.flag = nil
		case word == "--" && !at.literal:
			at.literal = true
		case isFlag:
			f := flag(at.command, name)
			if f == nil {
				f = c.anywhere(name, at.command)
			}
			if f != nil {
				at.given = append(at.given, f.Names...)
			}
			if f != nil && f.Value && !set {
				at.flag = f
			}
		case at.command == nil:
			if at.command = c.Tool.Meant(word); at.command == nil {
				return position{lost: true}
			}
		default:
			at.args++
		}
	}
	return at
}

// anywhere is a flag that stands before its command.
func (c Completer) anywhere(name string, command *guide.Command) *guide.Flag {
	for i := range c.Tool {
		if f := flag(&c.Tool[i], name); f != nil && command == nil {
			return f
		}
	}
	return nil
}

// flag is the flag of a command that a word with dashes names, or nil.
func flag(command *guide.Command, word string) *guide.Flag {
	if command == nil {
		return nil
	}
	for i, f := range command.Flags {
		if slices.Contains(f.Names, strings.TrimLeft(word, "-")) {
			return &command.Flags[i]
		}
	}
	return nil
}

func (c Completer) commands() (all []Candidate) {
	for _, command := range c.Tool {
		all = append(all, Candidate{command.Names[0], command.Summary})
	}
	return all
}

// flagNames are the flags that can still be given.
func flagNames(flags []guide.Flag, given []string) (all []Candidate) {
	for _, f := range flags {
		if name := f.Names[0]; f.Repeats || !slices.Contains(given, name) {
			_, text := guide.Unquote(f.Usage)
			all = append(all, Candidate{"--" + name, text})
		}
	}
	return all
}
