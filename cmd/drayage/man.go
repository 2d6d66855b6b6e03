package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"drayage/internal/durable"
	"drayage/internal/manpage"
)

const manHelp = `Prints the man page of drayage, or of a COMMAND, for programs such as man and
mandoc. With -o it writes all pages as files: drayage.1, drayage-fetch.1 and so
on.

EXAMPLES:
   drayage man fetch | man -l -
   drayage man -o ~/.local/share/man/man1
   man drayage-fetch`

func manCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "man",
		Category:    commandsHelp,
		Usage:       "print man pages",
		UsageText:   "drayage man [COMMAND] [-o DIR]",
		Description: manHelp,
		Flags:       []cli.Flag{dirFlag()},
		Action:      env.run(call.man),
	}
}

// dirFlag is where a command writes all the pages that it would print one of.
func dirFlag() cli.Flag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: groupWhere,
		Usage: "write all pages as files into `DIR`, which is made if it is not there"}
}

func (c call) man(context.Context) error {
	dir := c.String("output")
	switch {
	case c.NArg() > 1:
		return usagef("man takes one command: %d given", c.NArg())
	case c.NArg() == 1 && c.IsSet("output"):
		return usagef("man -o writes the pages of all commands: leave out %q", c.Args().First())
	case c.IsSet("output"):
		return c.writePages(dir, c.manPages())
	}
	page := manPage(c.App, nil)
	if c.NArg() == 1 {
		name, err := tool(c.App).Find(c.Args().First())
		if err != nil {
			return err
		}
		page = manPage(c.App, c.App.Command(name))
	}
	if err := page.Write(c.stdout); err != nil {
		return err
	}
	if isTerminal(c.rawOut) {
		c.note("note: this is for a program: drayage man %s| man -l - shows it",
			strings.Join(append(c.Args().Slice(), ""), " "))
	}
	return nil
}

// writePages writes files and says where they are.
func (c call) writePages(dir string, pages map[string]string) error {
	if err := durable.WriteAll(dir, pages); err != nil {
		return fmt.Errorf("%s: %w", c.Command.Name, err)
	}
	c.note("%s: %d pages", dir, len(pages))
	return nil
}

// manPages are all man pages by the names of their files.
func (c call) manPages() map[string]string {
	all := map[string]string{}
	for _, command := range append([]*cli.Command{nil}, c.App.VisibleCommands()...) {
		var b strings.Builder
		page := manPage(c.App, command)
		_ = page.Write(&b) // into memory
		all[page.Name()+".1"] = b.String()
	}
	return all
}

// manPage is the man page of a command, or of drayage if command is nil.
func manPage(app *cli.App, command *cli.Command) manpage.Page {
	b, p := build(), manpage.Page{}
	p.Version = b.Version
	p.Date, _, _ = strings.Cut(b.Date, "T")
	flags := flagsOf(app)
	var names []string
	if command == nil {
		p.Page = appPage(app)
		names = flags.Names()
	} else {
		p.Page = commandPage(command)
		p.Footer = exitCodesHelp
		for name := range flags[command.Name] {
			names = append(names, name)
		}
		slices.Sort(names)
		p.SeeAlso = []string{app.Name}
	}
	p.Environment, p.Files = manpage.Environment(names), manpage.Files(names)
	for _, other := range app.VisibleCommands() {
		if command == nil || other != command && other.Category == command.Category {
			p.SeeAlso = append(p.SeeAlso, app.Name+"-"+other.Name)
		}
	}
	return p
}
