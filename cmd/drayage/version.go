package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"drayage/internal/report"
)

// version, commit and date are set by the Makefile. Where they are empty, the binary's own record is shown.
var version, commit, date string

func versionString() string { return build().Version }

func build() report.Build { return report.ThisBuild(version, commit, date) }

func versionCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "version",
		Category:  commandsHelp,
		Usage:     "print the version, and what this binary was built from",
		UsageText: "drayage version",
		Description: `Prints the version, the commit and its date, the version of Go, and the platform. drayage
--version prints the version alone.

EXAMPLES:
   drayage version
   drayage version --json`,
		Flags:  outputFlags(),
		Action: env.run(call.showVersion),
	}
}

func (c call) showVersion(context.Context) error {
	if c.NArg() > 0 {
		return usagef("version takes no argument: %d given", c.NArg())
	}
	b := build()
	return c.result(report.Document{Build: &b}, b.Lines())
}

func helpCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:      "help",
		Category:  commandsHelp,
		Usage:     "show the help of drayage or of a command",
		UsageText: "drayage help [COMMAND]",
		Description: `Shows what drayage --help shows, or with a COMMAND what drayage COMMAND --help shows.

EXAMPLES:
   drayage help
   drayage help fetch`,
		Action: env.run(call.help),
	}
}

func (c call) help(context.Context) error {
	switch {
	case c.NArg() == 0:
		return appPage(c.App).Write(c.stdout)
	case c.NArg() > 1:
		return usagef("help takes one command: %d given", c.NArg())
	}
	name, err := tool(c.App).Find(c.Args().First())
	if err != nil {
		return err
	}
	return commandPage(c.App.Command(name)).Write(c.stdout)
}
