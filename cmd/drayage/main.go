// Command drayage moves container images across an air gap without a container engine. It fetches images from
// a registry into an OCI layout, saves them as tars that docker load takes, and pushes them into a registry.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/urfave/cli/v2"

	"drayage/internal/guide"
	"drayage/internal/interrupt"
	"drayage/internal/memgoal"
	"drayage/internal/secrets"
)

// memoryGoal is what the garbage collector aims at, unless the user has set Go's own variable. Without a
// goal, garbage grows with the number of processors: sixteen took 230 MiB for what needs a third of that.
const memoryGoal = 64 << 20

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		memgoal.Set(memoryGoal)
	}
	os.Exit(run(secrets.Hide(os.Args), os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the exit, so that tests can drive the real command line.
func run(args []string, stdin *os.File, stdout, stderr io.Writer) int {
	env := newEnvironment(args, stdin, stdout, stderr)
	ctx, signals := interrupt.Context(context.Background(), func(s interrupt.Error) {
		env.sayError(fmt.Sprintf("%s; something does not answer", s), s.Code())
		os.Exit(s.Code())
	})
	defer signals.Stop()
	env.signals = signals
	log.SetOutput(io.Discard) // net/http tells there what servers do wrong, and ours to say is what comes of it
	if len(args) > 1 && args[1] == completeCommand {
		return env.complete(ctx, args[2:])
	}
	app := newApp(env)
	env.typed(app, args)
	args, err := env.interpret(app, args)
	if err == nil {
		if err = app.RunContext(ctx, args); err == nil {
			err = env.unwritten
		}
	}
	if err != nil {
		err = env.blame(err)
	}
	err = env.printDocument(ctx, err)
	code := exitCode(ctx, err)
	if err != nil {
		env.sayError(env.describe(err), code)
	}
	return code
}

// call is a command as it was typed, and where it reads and writes.
type call struct {
	*environment
	*cli.Context
}

// run returns the action of a command that does what do does.
func (e *environment) run(do func(call, context.Context) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		if err := checkLogFormat(c); err != nil {
			return err
		}
		if err := (call{e, c}).spare(); err != nil {
			return err
		}
		if err := (call{e, c}).readKeys(); err != nil {
			return err
		}
		return do(call{e, c}, c.Context)
	}
}

func newApp(env *environment) *cli.App {
	cli.VersionFlag = &cli.BoolFlag{Name: "version", Usage: "print the version alone"}
	cli.HelpFlag = &cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show this page"}
	cli.HelpPrinter = env.printHelp
	app := &cli.App{
		Name:      "drayage",
		Usage:     "move container images across an air gap, without a container engine",
		UsageText: "drayage COMMAND [ARGUMENTS] [FLAGS]",
		Version:   versionString(),
		Description: `The way of an image, and what to type:

   drayage fetch alpine:3.20 -o images     registry -> OCI layout directory
   drayage save images -o alpine.tar       layout, registry -> tar for docker
   drayage push alpine.tar harbor.corp/m/  tar, layout -> private registry
   drayage copy alpine:3.20 harbor.corp/m/ registry -> private registry

SOURCE is an image name (alpine, ghcr.io/a/b:1@sha256:...), a path to a layout or a saved
tar, or one of those with its kind before it: oci:DIR[:NAME], docker-archive:FILE[:NAME].
Results go to standard output, everything else to standard error.`,
		Commands: []*cli.Command{
			fetchCommand(env), saveCommand(env), pushCommand(env), copyCommand(env), verifyCommand(env),
			repairCommand(env), serveCommand(env),
			inventoryCommand(env), mirrorsCommand(env), keygenCommand(env),
			inspectCommand(env), lsCommand(env), digestCommand(env), namesCommand(env),
			manifestCommand(env), configCommand(env), blobCommand(env),
			tagCommand(env), rmCommand(env), gcCommand(env),
			loginCommand(env), logoutCommand(env),
			settingsCommand(env), docsCommand(env), completionCommand(env), manCommand(env),
			helpCommand(env), versionCommand(env),
		},
		Writer:          env.stdout,
		ErrWriter:       env.stderr,
		HideHelpCommand: true,
		Flags:           []cli.Flag{cli.HelpFlag}, // cli leaves it out because there is a command of that name
		ExitErrHandler:  func(*cli.Context, error) {},
		OnUsageError:    onUsageError,
		Action:          func(c *cli.Context) error { return cli.ShowAppHelp(c) },
	}
	for _, c := range app.Commands {
		c.OnUsageError = onUsageError
		c.HideHelpCommand = true
		c.Before = env.begin
		c.Flags = append(c.Flags, configFlag())
	}
	return app
}

func onUsageError(_ *cli.Context, err error, _ bool) error {
	return usagef("%s", guide.FlagError(err.Error()))
}
