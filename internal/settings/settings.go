// Package settings finds what users have set once for all runs: an environment variable for each flag, and a
// file with the flags that are worth setting once. [FromEnvironment] reads a variable, [Read] the file.
package settings

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is what the value of a flag is.
type Kind int

// The kinds of values.
const (
	Text   Kind = iota
	Number      // an integer
	Switch      // true or false
	List        // of texts
	Time        // such as 24h
)

// describe names a kind for people.
func (k Kind) describe() string {
	return [...]string{
		"text in quotes", "a number", "true or false", "a text or a list of texts", `text such as "24h"`,
	}[k]
}

// Setting is the value of a flag that does not stand on the command line.
type Setting struct {
	Flag   string
	Verb   string   // in whose table of the file it stands; empty if it is for all verbs
	Values []string // several of a list
	From   string   // the name of the variable, or FILE:LINE
}

// prefix begins the names of all variables.
const prefix = "DRAYAGE_"

// Variable is the environment variable that stands for a flag: DRAYAGE_CA_FILE for ca-file.
func Variable(flag string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// FromEnvironment reads the variable of a flag. One that is empty counts as not set. A list has commas
// between its elements. The error names the variable.
func FromEnvironment(flag string, kind Kind, getenv func(string) string) (s Setting, ok bool, err error) {
	name := Variable(flag)
	text := getenv(name)
	if text == "" {
		return Setting{}, false, nil
	}
	s = Setting{Flag: flag, Values: []string{text}, From: name}
	switch kind {
	case Number:
		if _, err := strconv.Atoi(strings.TrimSpace(text)); err != nil {
			return s, false, fmt.Errorf("%s: %q is no number", name, text)
		}
		s.Values[0] = strings.TrimSpace(text)
	case Switch:
		if _, err := strconv.ParseBool(strings.TrimSpace(text)); err != nil {
			return s, false, fmt.Errorf("%s: %q is neither true nor false", name, text)
		}
		s.Values[0] = strings.TrimSpace(text)
	case Time:
		if _, err := time.ParseDuration(strings.TrimSpace(text)); err != nil {
			return s, false, fmt.Errorf("%s: %q is no time such as 24h", name, text)
		}
		s.Values[0] = strings.TrimSpace(text)
	case List:
		s.Values = nil
		for _, element := range strings.Split(text, ",") {
			if element = strings.TrimSpace(element); element != "" {
				s.Values = append(s.Values, element)
			}
		}
	}
	return s, len(s.Values) > 0, nil
}

// On reports whether the variable of a switch is set and true.
func On(flag string, getenv func(string) string) bool {
	s, ok, err := FromEnvironment(flag, Switch, getenv)
	on, _ := strconv.ParseBool(strings.Join(s.Values, "")) // FromEnvironment has checked it
	return ok && err == nil && on
}

// Variables are those of flags.
func Variables(flags []string) (names []string) {
	for _, f := range flags {
		names = append(names, Variable(f))
	}
	return names
}

// Unknown lists the variables in environ that begin like those of drayage and stand for none of the flags.
func Unknown(environ []string, flags []string) []string {
	known, unknown := Variables(flags), []string(nil)
	for _, pair := range environ {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, prefix) && !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// Place is where the file is on a system: in %AppData% on Windows, else in XDG_CONFIG_HOME or ~/.config, on
// macOS too. It is empty if there is no such directory.
func Place(goos, home string, getenv func(string) string) string {
	dir := getenv("XDG_CONFIG_HOME")
	switch {
	case goos == "windows" && getenv("AppData") != "":
		dir = getenv("AppData")
	case dir == "" && home != "":
		dir = filepath.Join(home, ".config")
	}
	if dir == "" || !filepath.IsAbs(dir) { // the XDG specification ignores a relative one
		return ""
	}
	return filepath.Join(dir, "drayage", "config.toml")
}
