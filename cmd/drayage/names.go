package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"drayage/internal/source"
	"drayage/internal/usage"
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
		Usage: "read image names from `FILE`, or - for standard input: a list with one a line, or what " +
			"drayage names takes, such as compose.yaml"}}
}

// lists are the files with names that the command was given.
func (c call) lists() []string { return c.paths("from") }

func (c call) paths(flag string) []string {
	switch p := c.Generic(flag).(type) {
	case *paths:
		return *p
	case *source.Outputs:
		return *p
	}
	return nil
}

func outputsFlag() cli.Flag {
	return &listsFlag{cli.GenericFlag{Name: "output", Aliases: []string{"o"}, Category: groupWhere,
		Value: new(source.Outputs), Usage: "write `FILE`, - for standard output; with --volume-size each " +
			"further -o names a folder, which takes the volumes that there is no room for before"}}
}

// imageNames reads the names of images from the arguments and from --from, each once.
func (c call) imageNames() ([]registry.Reference, error) {
	names := source.Names{Parse: func(name string) (registry.Reference, error) {
		ref, err := reference(c.Context, name)
		if wrong := source.RefuseHost(name); wrong != nil && c.String("registry") == "" {
			err = wrong
		}
		return ref, err
	}}
	if err := c.gather(&names, c.Args().Slice()); err != nil {
		return nil, err
	}
	if len(names.Refs) == 0 {
		return nil, usagef("%s needs an image name, such as alpine:3.20", c.Command.Name)
	}
	return names.Refs, nil
}

// gather takes names from arguments and from the files of --from. It reads all of them before it says which
// are wrong.
func (c call) gather(names *source.Names, args []string) error {
	for _, n := range args {
		names.Add("", n)
	}
	names.Find.Env, names.Find.Given = os.LookupEnv, c.lists()
	for _, from := range c.lists() {
		if c.Bool("password-stdin") && from == "-" {
			return usagef("the list and the password cannot both come from standard input")
		}
		r, called, err := c.openNames(from)
		if err != nil {
			return fmt.Errorf("--from: %w", err)
		}
		err = names.Read(c.Context.Context, r, called)
		r.Close()
		if err != nil {
			return fmt.Errorf("--from %w", err)
		}
	}
	errs, more := names.Bad()
	missing := c.notePlaces(names)
	if len(missing) > 0 {
		c.note("note: drayage names prints those that can be read, as a list for --from")
	}
	errs = append(errs, missing...)
	shown := min(len(errs), maxShown)
	return c.wrongNames(errs[:shown], more+len(errs)-shown)
}

// notePlaces shows what files with names gave cause for, and returns what is no mere note.
func (c call) notePlaces(names *source.Names) (missing []error) {
	for _, r := range names.Find.Remarks {
		if r.Missing {
			missing = append(missing, usagef("%s", r))
		} else {
			c.note("note: %s", r)
		}
	}
	return missing
}

// openNames opens a file with names, or standard input, and tells what messages call it.
func (c call) openNames(path string) (r io.ReadCloser, called string, err error) {
	if path == "-" {
		return io.NopCloser(c.stdin), "standard input", nil
	}
	r, err = os.Open(path)
	return r, path, err
}

// maxShown is how many errors about names are shown.
const maxShown = 20

// parseSources reads SOURCE arguments, all of them before it says which are wrong.
func (c call) parseSources(args []string) (specs []source.Spec, err error) {
	var errs []error
	for _, a := range args {
		spec, err := c.parseSource(a)
		if err != nil {
			errs = append(errs, err)
		}
		specs = append(specs, spec)
	}
	shown := min(len(errs), maxShown)
	return specs, c.wrongNames(errs[:shown], len(errs)-shown)
}

// wrongNames shows errors about names, each in a line of its own, and returns one about all of them.
func (c call) wrongNames(errs []error, more int) error {
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	for _, err := range errs {
		c.sayWrong("%v", err)
	}
	if more > 0 {
		c.sayWrong("and %d more", more)
	}
	return &wrongNamesError{errs[0], len(errs) + more}
}

// wrongNamesError is about several names. Each has been told already. The first decides on the exit code.
type wrongNamesError struct {
	first error
	n     int
}

func (e *wrongNamesError) Error() string {
	return fmt.Sprintf("%d names cannot be read: nothing was done", e.n)
}

func (e *wrongNamesError) Unwrap() error { return e.first }

// about puts the command before an error that names a file. An error about the command line needs none.
func (c call) about(err error) error { return about(c.Command.Name, err) }

// aboutFlag is about for a file that a flag names.
func (c call) aboutFlag(flag string, err error) error {
	if errors.As(err, new(*usage.Error)) {
		return usagef("--%s: %v", flag, err)
	}
	return about(c.Command.Name+" --"+flag, err)
}

func about(what string, err error) error {
	switch {
	case err == nil, errors.As(err, new(*usage.Error)), errors.As(err, new(*wrongNamesError)):
		return err
	case source.IsAbsent(err): // its text does not begin with a name
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s %w", what, err)
}
