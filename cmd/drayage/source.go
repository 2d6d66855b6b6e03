package main

import (
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/internal/usage"
	"drayage/registry"
)

// usagef returns an error about a command line that makes no sense.
func usagef(format string, args ...any) error { return usage.Errorf(format, args...) }

// parseSource reads a SOURCE argument.
func parseSource(c *cli.Context, text string) (source.Spec, error) {
	return source.Parse(text, func(name string) (registry.Reference, error) { return reference(c, name) })
}

// sourceOptions say how a SOURCE is opened to be read at any place.
func (e *environment) sourceOptions(c *cli.Context) source.Options {
	return source.Options{
		Stdin: e.stdin, TempDir: tempDir(c),
		Note: func(text string) { e.note(c, "%s", text) },
		Why:  c.Command.Name + " goes back and forth in it",
	}
}

// noteRemarks says what there is to know of the images of a SOURCE.
func (e *environment) noteRemarks(c *cli.Context, set *source.Set) {
	for _, r := range set.Remarks {
		e.note(c, "note: %s: %s", terminal.Quote(r.Image.Label), r.Text)
	}
}

func tempDirFlag() cli.Flag {
	return &cli.StringFlag{Name: "temp-dir", Usage: "`DIR` for what has to be stored in between",
		DefaultText: "that of the output, or TMPDIR"}
}

// tempDir is where temporary files go: where the user wants them, else where the output will need the space anyway.
func tempDir(c *cli.Context) string {
	if dir := c.String("temp-dir"); dir != "" {
		return dir
	}
	out := c.String("output")
	if c.Command.Name != "save" || out == "" || out == "-" {
		return os.TempDir()
	}
	if fi, err := os.Stat(out); err == nil && !fi.Mode().IsRegular() {
		return os.TempDir()
	}
	return filepath.Dir(out)
}
