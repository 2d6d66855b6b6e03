package main

import (
	"slices"
	"strings"
)

// secretFlags have passwords in their values.
var secretFlags = []string{"creds", "password", "p"}

// hideSecrets returns a copy of args and wipes, with wipe, what in the originals other users of the machine should not read in the list
// of processes. It is gone some milliseconds after the start: whoever looks at that very moment sees it.
func hideSecrets(args []string, wipe func(string)) []string {
	safe := make([]string, len(args))
	for i, arg := range args {
		safe[i] = strings.Clone(arg)
	}
	for i, arg := range args {
		if i > 0 && isSecretFlag(safe[i-1]) {
			wipe(secretPart(strings.TrimLeft(safe[i-1], "-"), arg))
		}
		if name, _, ok := strings.Cut(safe[i], "="); ok && isSecretFlag(name) {
			wipe(secretPart(strings.TrimLeft(name, "-"), arg[len(name)+1:]))
		}
	}
	return safe
}

func isSecretFlag(arg string) bool {
	return strings.HasPrefix(arg, "-") && slices.Contains(secretFlags, strings.TrimLeft(arg, "-"))
}

// secretPart is the password in the value of a flag: of --creds what follows the user's name.
func secretPart(name, value string) string {
	if name != "creds" {
		return value
	}
	_, password, _ := strings.Cut(value, ":")
	return password
}
