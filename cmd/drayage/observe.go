package main

import (
	"cmp"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"drayage/internal/guide"
	"drayage/internal/report"
	"drayage/internal/settings"
	"drayage/internal/tell"
	"drayage/internal/terminal"
	"drayage/registry"
)

// tellFlags say how much the commands that talk to registries tell meanwhile, and how.
func tellFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Category: groupOutput,
			Usage: "also a line for each request to a registry: URL, status, bytes, time"},
		logFormatFlag(),
	}
}

func logFormatFlag() cli.Flag {
	return &cli.StringFlag{Name: logFormat, Category: groupOutput, Value: "text",
		Usage: "`FORMAT` of messages: text, or json, which is an object a line"}
}

const logFormat = "log-format"

// checkLogFormat refuses what --log-format does not know, wherever it is set.
func checkLogFormat(c *cli.Context) error {
	if c.String(logFormat) == "" {
		return nil
	}
	return guide.Choice(logFormat, c.String(logFormat))
}

// logsJSON looks for --log-format in a command line that may make no sense: the error about that is to be in
// the format too.
func logsJSON(args []string) bool {
	format := os.Getenv(settings.Variable(logFormat))
	flags := args[:cmp.Or(slices.Index(args, "--")+1, len(args)+1)-1]
	for i, arg := range flags {
		name, value, ok := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !strings.HasPrefix(arg, "-") || name != logFormat {
			continue
		}
		if !ok && i+1 < len(flags) {
			value = flags[i+1]
		}
		format = value
	}
	return format == "json"
}

// sayError says the error that ends the command.
func (e *environment) sayError(text string, code int) {
	e.tell.Say(tell.Line{
		Level: tell.Error, Event: "error", Message: text, Code: report.Code(code), ExitCode: code,
	})
}

// sayWrong says one of several things that are wrong with what was typed.
func (e *environment) sayWrong(format string, args ...any) {
	e.tell.Say(tell.Line{
		Level: tell.Error, Event: "wrong", Message: terminal.Sprintf(format, args...), Code: report.Code(exitUsage),
	})
}

// observe tells users what a client of registries does.
func (c call) observe(e registry.Event) {
	if !c.Bool("quiet") {
		c.tell.Event(e, c.Bool("verbose"))
	}
}
