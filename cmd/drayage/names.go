package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"drayage/internal/source"
	"drayage/registry"
)

// listsFlag is --from. Unlike other flags that may be repeated it takes no list with commas: names of files
// may have some.
type listsFlag struct{ cli.GenericFlag }

// IsSliceFlag implements cli.DocGenerationSliceFlag.
func (*listsFlag) IsSliceFlag() bool { return true }

// paths are names of files.
type paths []string

func (p *paths) String() string { return strings.Join(*p, " ") }

// Set implements flag.Value.
func (p *paths) Set(path string) error {
	*p = append(*p, path)
	return nil
}

// Get implements flag.Getter.
func (p *paths) Get() any { return p.String() }

func fromFlag() cli.Flag {
	return &listsFlag{cli.GenericFlag{Name: "from", Category: groupWhat, Value: new(paths),
		Usage: "read image names from `FILE`, or - for standard input: one a line, # begins a comment"}}
}

// lists are the files with names that the command was given.
func (c call) lists() []string {
	if p, ok := c.Generic("from").(*paths); ok {
		return *p
	}
	return nil
}

// imageNames reads the names of images from the arguments and from --from, each once.
func (c call) imageNames() ([]registry.Reference, error) {
	names := source.Names{Parse: func(name string) (registry.Reference, error) {
		if c.String("registry") == "" {
			if err := notRegistry(name); err != nil {
				return registry.Reference{}, err
			}
		}
		return reference(c.Context, name)
	}}
	if err := c.gather(&names, c.Args().Slice()); err != nil {
		return nil, err
	}
	if len(names.Refs) == 0 {
		return nil, usagef("%s needs an image name, such as alpine:3.20", c.Command.Name)
	}
	return names.Refs, nil
}

// gather takes names from arguments and lists. It reads all of them before it says which are wrong.
func (c call) gather(names *source.Names, args []string) error {
	for _, n := range args {
		names.Add("", n)
	}
	for _, from := range c.lists() {
		if c.Bool("password-stdin") && from == "-" {
			return usagef("the list and the password cannot both come from standard input")
		}
		if err := c.readList(from, names); err != nil {
			return err
		}
	}
	return c.wrongNames(names.Bad())
}

func (e *environment) readList(path string, names *source.Names) error {
	if path == "-" {
		return names.ReadList(io.Reader(e.stdin), "standard input")
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	defer f.Close()
	return names.ReadList(f, path)
}

// wrongNames shows errors about names, each in a line of its own, and returns one about all of them.
func (c call) wrongNames(errs []error, more int) error {
	if len(errs) == 0 {
		return nil
	}
	if len(errs) == 1 {
		return errs[0]
	}
	for _, err := range errs {
		c.sayWrong("%v", err)
	}
	if more > 0 {
		c.sayWrong("and %d more", more)
	}
	return usagef("%d names cannot be read: nothing was done", len(errs)+more)
}
