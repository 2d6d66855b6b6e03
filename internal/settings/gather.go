package settings

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"drayage/internal/secrets"
)

// Gathered is a setting with what counts more than it.
type Gathered struct {
	Setting
	Beaten string // the variable that counts instead, if there is one
}

// Gather brings together what the environment and a file set for all verbs.
func Gather(flags Flags, file *File, getenv func(string) string) (found []Gathered, err error) {
	beaten := map[string]string{}
	for _, name := range flags.Names() {
		kind, _ := flags.kind("", name)
		s, ok, err := FromEnvironment(name, kind, getenv)
		if err != nil {
			return nil, err
		}
		if ok {
			beaten[name] = s.From
			found = append(found, Gathered{Setting: s})
		}
	}
	for _, s := range file.All() {
		found = append(found, Gathered{s, beaten[s.Flag]})
	}
	return found, nil
}

// Shown are the values without passwords.
func (s Setting) Shown() []string {
	shown := []string{}
	for _, value := range s.Values {
		user, _, named := strings.Cut(value, ":")
		switch {
		case !HasPassword(s.Flag):
			value = secrets.Redact(value)
		case named && s.Flag != "password":
			value = user + ":***"
		default:
			value = "***"
		}
		shown = append(shown, value)
	}
	return shown
}

// minTelling is how long a value is that tells of what flag an error speaks.
const minTelling = 3

// About says where flags were set. It takes the flags whose names or values stand in the error's message. The
// result is empty if there are none.
func About(message string, set map[string]Setting) string {
	var about []string
	for _, name := range slices.Sorted(maps.Keys(set)) {
		s := set[name]
		telling := func(value string) bool {
			isWord := value == "true" || value == "false"
			return name != "config" && len(value) >= minTelling && !isWord && mentions(message, value)
		}
		if mentions(message, "--"+name) || slices.ContainsFunc(s.Values, telling) {
			about = append(about, fmt.Sprintf("--%s is set by %s", name, s.From))
		}
	}
	return strings.Join(about, ", ")
}

// mentions reports whether a text has a word that is no part of a longer one.
func mentions(text, word string) bool {
	_, after, found := strings.Cut(text, word)
	for ; found; _, after, found = strings.Cut(after, word) {
		if after == "" || !strings.ContainsAny(after[:1], "-_abcdefghijklmnopqrstuvwxyz0123456789") {
			return true
		}
	}
	return false
}
