package guide

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"drayage/internal/secrets"
	"drayage/internal/usage"
)

// Tool is what can be typed.
type Tool []Command

// Command is a command of drayage.
type Command struct {
	Names          []string // its name, then its aliases
	Summary, Usage string   // what it does; its form, such as drayage fetch IMAGE... -o DIR
	Flags          []Flag
}

// Flag is a flag of a command.
type Flag struct {
	Names   []string // without dashes
	Value   bool     // the word after it belongs to it
	Repeats bool
	Usage   string // see [Unquote]
}

// Line is a command line as a flag parser takes it, which stops at the first argument.
type Line struct {
	Command   string // empty if there is none
	Flags     []string
	Arguments []string
	Notes     []string // what flags of other tools were taken for
}

// Interpret makes a line of the words that were typed. People write flags anywhere, also before the command,
// and they write the words of other tools. After -- nothing is a flag. What makes no sense is a usage error
// that says what may be meant; the line then has the command as far as it is known.
func (t Tool) Interpret(typed []string) (l Line, err error) {
	words, err := t.commandFirst(typed)
	if err != nil {
		return l, err
	}
	c := t.command(words[0])
	if c == nil { // --help or --version
		return Line{Flags: words}, nil
	}
	l.Command = c.Names[0]
	strange, err := l.read(c, words[1:])
	if err != nil {
		return l, err
	}
	if slices.Contains(l.Flags, "--help") || slices.Contains(l.Flags, "-h") { // whatever else is there
		return Line{Command: l.Command, Flags: []string{"--help"}}, nil
	}
	m, err := t.verb(c).translate(strange, l.Arguments)
	if err != nil {
		return l, err
	}
	l.Flags = append(l.Flags, m.flags...)
	l.Arguments = append(m.arguments, l.Arguments...)
	if !slices.Contains(l.Flags, "--quiet") && !slices.Contains(l.Flags, "-q") {
		l.Notes = m.notes
	}
	if l.Command == "push" {
		err = pushed(l.Arguments)
	}
	return l, err
}

// Meant returns the command that a word means, which may be that of another tool, or nil.
func (t Tool) Meant(word string) *Command {
	name, _ := t.Find(word)
	return t.command(name)
}

// Find returns the name of the command that a word means, which may be that of another tool.
func (t Tool) Find(word string) (string, error) {
	words, err := t.commandFirst([]string{word})
	if c := t.command(words[0]); err == nil && c != nil {
		return c.Names[0], nil
	}
	return "", err
}

func (t Tool) command(name string) *Command {
	for i := range t {
		if slices.Contains(t[i].Names, name) {
			return &t[i]
		}
	}
	return nil
}

// commandFirst brings the command before flags that stand before it, and makes a known command of one that
// other tools have.
func (t Tool) commandFirst(words []string) ([]string, error) {
	if strings.HasPrefix(words[0], "-") {
		for i, w := range words {
			if t.command(w) != nil {
				return slices.Concat([]string{w}, words[:i], words[i+1:]), nil
			}
		}
		return words, t.alone(words[0])
	}
	if t.command(words[0]) != nil {
		return withoutVerb(words), nil
	}
	var known []string
	for _, c := range t {
		known = append(known, c.Names...)
	}
	return translateCommand(words, known)
}

// alone is the error about a flag without a command, or nil.
func (t Tool) alone(word string) error {
	if cut := secrets.CutFlag(word); cut != word {
		return tooClose(cut)
	}
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	switch {
	case slices.Contains([]string{"", "help", "h", "version"}, name):
		return nil
	case name == "v" || name == "V":
		return usage.Errorf("there is no flag %s without a command: the version comes with drayage version", word)
	}
	if of := t.flags()[name]; len(of) > 0 {
		return usage.Errorf("%s needs a command before it, such as drayage %s %[1]s", word, of[0])
	}
	return usage.Errorf("there is no flag %s, and no command", word)
}

func tooClose(flag string) error {
	return usage.Errorf(
		"there is no flag that begins with %s: the value of a flag follows after a space or =", flag)
}

// flags has the commands of each flag.
func (t Tool) flags() map[string][]string {
	of := map[string][]string{}
	for _, c := range t {
		for _, f := range c.Flags {
			for _, n := range f.Names {
				of[n] = append(of[n], c.Names[0])
			}
		}
	}
	return of
}

func (t Tool) verb(c *Command) verb {
	v := verb{name: c.Names[0], flags: []string{"help", "h"}, others: t.flags()}
	for _, f := range c.Flags {
		v.flags = append(v.flags, f.Names...)
	}
	return v
}

// read takes the words behind a command, and returns the flags that the command does not have.
func (l *Line) read(c *Command, rest []string) (strange []typed, err error) {
	for i := 0; i < len(rest); i++ {
		arg := rest[i]
		name, value, set := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		known := c.flag(name)
		switch {
		case arg == "--":
			l.Arguments = append(l.Arguments, rest[i+1:]...)
			return strange, nil
		case len(arg) < 2 || arg[0] != '-':
			l.Arguments = append(l.Arguments, arg)
		case known != nil && !isSkopeos(c, rest[i:]):
			l.Flags = append(l.Flags, arg)
			if known.Value && !set {
				i++
				if err := c.noValue(name, rest[i:]); err != nil {
					return nil, err
				}
				l.Flags = append(l.Flags, rest[i])
			}
		case secrets.CutFlag(arg) != arg:
			return nil, tooClose(secrets.CutFlag(arg)) // the rest may be a password
		default:
			if takesValue(c.Names[0], name) && !set && i+1 < len(rest) {
				i++
				value, set = rest[i], true
			}
			strange = append(strange, typed{name, value})
		}
	}
	return strange, nil
}

// noValue is the error about a flag whose value has been forgotten, or nil. The words stand behind the flag.
func (c *Command) noValue(flag string, words []string) error {
	if len(words) == 0 {
		return usage.Errorf("%s needs a value", dashed(flag))
	}
	name, _, _ := strings.Cut(strings.TrimLeft(words[0], "-"), "=")
	if words[0] == "--" || len(words[0]) > 1 && words[0][0] == '-' && c.flag(name) != nil {
		return usage.Errorf("%s needs a value, and what follows is the flag %s", dashed(flag), dashed(name))
	}
	return nil
}

// flag returns the flag of a name. Every command has --help.
func (c *Command) flag(name string) *Flag {
	for i := range c.Flags {
		if slices.Contains(c.Flags[i].Names, name) {
			return &c.Flags[i]
		}
	}
	if name == "help" || name == "h" {
		return &Flag{}
	}
	return nil
}

// isSkopeos reports whether inspect --config is that of skopeo, which takes no file.
func isSkopeos(c *Command, rest []string) bool {
	if c.Names[0] != "inspect" || strings.TrimLeft(rest[0], "-") != "config" {
		return false
	}
	fi, err := os.Stat(strings.Join(rest[1:min(2, len(rest))], ""))
	return err != nil || fi.IsDir()
}

var (
	badValue = regexp.MustCompile(`^invalid (?:boolean )?value (".*") for (?:flag )?-(\S+): (?s:(.*))$`)
	noValue  = regexp.MustCompile(`^flag needs an argument: -(\S+)$`)
)

// FlagError says in other words what Go's flag package says of a value.
func FlagError(text string) string {
	if m := badValue.FindStringSubmatch(text); m != nil {
		if m[2] == "patch" {
			return "--patch=" + strings.Trim(m[1], `"`) + ": " + m[3]
		}
		switch m[3] {
		case "parse error":
			if m[2] == "min-age" {
				return dashed(m[2]) + " takes a time, such as 90m or 24h, and " + m[1] + " is none"
			}
			return dashed(m[2]) + " takes a number, and " + m[1] + " is none"
		case "value out of range":
			return dashed(m[2]) + " takes a number, and " + m[1] + " is too large"
		}
	}
	if m := noValue.FindStringSubmatch(text); m != nil {
		return dashed(m[1]) + " needs a value"
	}
	return text
}
