// Package secrets keeps passwords in arguments out of the list of processes, which all users of a machine
// can read.
package secrets

import (
	"slices"
	"strings"
)

// flags have passwords in their values.
var flags = []string{"creds", "password", "p"}

// Hide returns a copy of the process's arguments, os.Args, and overwrites the passwords in the originals
// where the system shows those. They are gone some milliseconds after the start of the process: whoever
// looks at that very moment sees them.
func Hide(args []string) []string { return hide(args, wipe) }

func hide(args []string, wipe func(string)) []string {
	safe := make([]string, len(args))
	for i, arg := range args {
		safe[i] = strings.Clone(arg)
	}
	for i, arg := range args {
		if i > 0 && isSecret(safe[i-1]) {
			wipe(password(safe[i-1], arg))
		}
		if name, _, ok := strings.Cut(safe[i], "="); ok && isSecret(name) {
			wipe(password(name, arg[len(name)+1:]))
		}
	}
	return safe
}

func isSecret(flag string) bool {
	return strings.HasPrefix(flag, "-") && slices.Contains(flags, strings.TrimLeft(flag, "-"))
}

// password is the password in the value of a flag: of --creds what follows the user's name.
func password(flag, value string) string {
	if strings.TrimLeft(flag, "-") != "creds" {
		return value
	}
	_, password, _ := strings.Cut(value, ":")
	return password
}
