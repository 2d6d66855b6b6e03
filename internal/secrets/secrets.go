// Package secrets keeps passwords in arguments out of the list of processes, which all users of a machine
// can read.
package secrets

import (
	"slices"
	"strings"
)

// flags are the flags whose values have passwords.
var flags = []string{"creds", "password", "p"}

// Hide returns a copy of the process's arguments, os.Args, and overwrites the passwords in the originals,
// which the system shows. Others can see a password for some milliseconds after the start of the process.
func Hide(args []string) []string { return hide(args, wipe) }

func hide(args []string, wipe func(string)) []string {
	safe := make([]string, len(args))
	for i, arg := range args {
		safe[i] = strings.Clone(arg)
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

// password is the password in the value of a flag. In the value of --creds it follows the user's name.
func password(flag, value string) string {
	if strings.TrimLeft(flag, "-") != "creds" {
		return value
	}
	_, password, _ := strings.Cut(value, ":")
	return password
}
