package main

import (
	"cmp"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"drayage/internal/secrets"
	"drayage/internal/settings"
)

// reorder moves the flags of a command before its arguments. The flag parser stops at the first argument, but
// people write flags anywhere. After -- nothing is a flag.
func reorder(app *cli.App, args []string) ([]string, error) {
	if len(args) < 2 {
		return args, nil
	}
	command := app.Command(args[1])
	if command == nil {
		return args, checkFlag(nil, args[1])
	}
	var flags, positional []string
	rest := args[2:]
	for i := 0; i < len(rest); i++ {
		arg := rest[i]
		switch {
		case arg == "--":
			positional = append(positional, rest[i+1:]...)
			i = len(rest)
		case len(arg) < 2 || arg[0] != '-':
			positional = append(positional, arg)
		default:
			if err := checkFlag(command, arg); err != nil {
				return nil, err
			}
			flags = append(flags, arg)
			if takesValue(command, arg) && i+1 < len(rest) {
				i++
				flags = append(flags, rest[i])
			}
		}
	}
	return slices.Concat(args[:2], flags, []string{"--"}, positional), nil
}

// typed notes what was typed before anything is known to be right, for the document of a wrong command line.
func (e *environment) typed(app *cli.App, args []string) {
	flags := args[:cmp.Or(slices.Index(args, "--")+1, len(args)+1)-1]
	e.json = slices.Contains(flags, "--json")
	if len(args) > 1 && app.Command(args[1]) != nil {
		command := app.Command(args[1])
		e.command = command.Name
		e.json = e.json || findFlag(command, "json") != nil && settings.On("json", os.Getenv)
	}
}

// checkFlag refuses a flag with a password that is written to it without a space. The flag parser would
// quote the password.
func checkFlag(command *cli.Command, arg string) error {
	cut := secrets.CutFlag(arg)
	if cut == arg || command != nil && findFlag(command, arg) != nil {
		return nil
	}
	return usagef("there is no flag that begins with %s: the value of a flag follows after a space or =", cut)
}

// findFlag returns the flag of a command that a word means, or nil.
func findFlag(command *cli.Command, arg string) cli.Flag {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	for _, f := range command.Flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

// takesValue reports whether the word after this flag belongs to it.
func takesValue(command *cli.Command, arg string) bool {
	f := findFlag(command, arg)
	_, isBool := f.(*cli.BoolFlag)
	return f != nil && !isBool && !strings.Contains(arg, "=")
}
