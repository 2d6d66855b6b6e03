// Command drayage moves container images across an air gap without a container engine. It fetches images from
// a registry into an OCI layout, saves them as tars that docker load takes, and pushes them into a registry.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"drayage/internal/interrupt"
	"drayage/internal/secrets"
	"drayage/internal/terminal"
)

// memoryGoal is what the garbage collector aims at, unless the user has set Go's own variable. Without a
// goal, garbage grows with the number of processors: sixteen took 230 MiB for what needs a third of that.
const memoryGoal = 64 << 20

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryGoal)
	}
	os.Exit(run(secrets.Hide(os.Args), os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the exit, so that tests can drive the real command line.
func run(args []string, stdin *os.File, stdout, stderr io.Writer) int {
	ctx, stop := interrupt.Context(context.Background(), func(s interrupt.Error) {
		fmt.Fprintf(stderr, "drayage: %s; something does not answer\n", s)
		os.Exit(s.Code())
	})
	defer stop()
	app := newApp(&environment{stdin: stdin, stdout: stdout, stderr: stderr})
	err := app.RunContext(ctx, reorder(app, args))
	if err != nil {
		fmt.Fprintf(stderr, "drayage: %s\n", describe(err))
	}
	return exitCode(ctx, err)
}

// version is set by the Makefile. If it is empty, the version of the module is shown.
var version string

// environment is where a command reads and writes.
type environment struct {
	stdin          *os.File
	stdout, stderr io.Writer
}

// call is a command as it was typed, and where it reads and writes.
type call struct {
	*environment
	*cli.Context
}

// run returns the action of a command that does what do does.
func (e *environment) run(do func(call, context.Context) error) cli.ActionFunc {
	return func(c *cli.Context) error { return do(call{e, c}, c.Context) }
}

func newApp(env *environment) *cli.App {
	cli.VersionFlag = &cli.BoolFlag{Name: "version", Usage: "print the version", DisableDefaultText: true}
	app := &cli.App{
		Name:      "drayage",
		Usage:     "move container images across an air gap, without a container engine",
		UsageText: "drayage COMMAND [ARGUMENTS] [FLAGS]",
		Version:   versionString(),
		Description: `The way of an image, and what to type:

   drayage fetch alpine:3.20 -o images            registry -> OCI layout directory
   drayage save images -o alpine.tar              layout or registry -> tar for docker load
   drayage push alpine.tar registry.corp/mirror/  tar or layout -> private registry

SOURCE is an image name (alpine, ghcr.io/a/b:1@sha256:...), a path to a layout or a saved
tar, or one of those with its kind before it: oci:DIR[:NAME], docker-archive:FILE[:NAME].
Results go to standard output, everything else to standard error.`,
		Commands: []*cli.Command{
			fetchCommand(env), saveCommand(env), pushCommand(env), verifyCommand(env),
			inspectCommand(env), lsCommand(env), digestCommand(env),
			manifestCommand(env), configCommand(env), blobCommand(env),
			loginCommand(env), logoutCommand(env),
		},
		Writer:               env.stdout,
		ErrWriter:            env.stderr,
		HideHelpCommand:      true,
		ExitErrHandler:       func(*cli.Context, error) {},
		OnUsageError:         onUsageError,
		EnableBashCompletion: true,
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usagef("there is no command %q", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
		CustomAppHelpTemplate: cli.AppHelpTemplate + "\n" + exitCodesHelp,
	}
	for _, c := range app.Commands {
		c.OnUsageError = onUsageError
		c.HideHelpCommand = true
		for _, f := range c.Flags {
			if b, ok := f.(*cli.BoolFlag); ok {
				b.DisableDefaultText = true // everybody knows that it is false
			}
		}
	}
	return app
}

func onUsageError(_ *cli.Context, err error, _ bool) error { return usagef("%v", err) }

func versionString() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// note tells the user something that is not a result.
func (c call) note(format string, args ...any) {
	if !c.Bool("quiet") {
		fmt.Fprintf(c.stderr, format+"\n", args...)
	}
}

// reorder moves the flags of a command before its arguments. The flag parser stops at the first argument, but
// people write flags anywhere. After -- nothing is a flag.
func reorder(app *cli.App, args []string) []string {
	if len(args) < 2 {
		return args
	}
	command := app.Command(args[1])
	if command == nil {
		return args
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
			flags = append(flags, arg)
			if takesValue(command, arg) && i+1 < len(rest) {
				i++
				flags = append(flags, rest[i])
			}
		}
	}
	return slices.Concat(args[:2], flags, []string{"--"}, positional)
}

// takesValue reports whether the word after this flag belongs to it.
func takesValue(command *cli.Command, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	if strings.Contains(name, "=") {
		return false
	}
	for _, f := range command.Flags {
		if !slices.Contains(f.Names(), name) {
			continue
		}
		_, isBool := f.(*cli.BoolFlag)
		return !isBool
	}
	return false
}

// imageList is the JSON result of a command that says something of each image.
type imageList[T any] struct {
	Images []T `json:"images"`
}

// printResult prints doc with --json, or else the lines.
func (c call) printResult(doc any, lines []string) error {
	if c.Bool("json") {
		return c.printJSON(doc)
	}
	if len(lines) == 0 {
		return nil
	}
	_, err := fmt.Fprintln(c.stdout, strings.Join(lines, "\n"))
	return err
}

// writeInOrder calls write for an output that cannot be written out of order: stdout for -, a device or a
// named pipe. For any other file it returns false and does nothing.
func writeInOrder(out string, stdout io.Writer, write func(io.Writer) error) (bool, error) {
	if out == "-" {
		return true, write(stdout)
	}
	if fi, err := os.Stat(out); err != nil || fi.Mode()&(os.ModeNamedPipe|os.ModeCharDevice) == 0 {
		return false, nil
	}
	f, err := os.OpenFile(out, os.O_WRONLY, 0)
	if err != nil {
		return true, err
	}
	return true, errors.Join(write(f), f.Close())
}

// printJSON prints a result as one JSON document.
func (e *environment) printJSON(v any) error {
	text, err := encode(v, "  ")
	if err == nil {
		_, err = terminal.JSON.WriteString(e.stdout, text)
	}
	return err
}

// encode writes v as JSON that keeps < and &, and ends it with a line end. Without an indent it is one line.
func encode(v any, indent string) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	err := enc.Encode(v)
	return b.String(), err
}
