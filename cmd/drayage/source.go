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
func (c call) parseSource(text string) (source.Spec, error) {
	return source.Parse(text, func(name string) (registry.Reference, error) {
		return reference(c.Context, name)
	})
}

// sourceOptions say how a SOURCE is opened to be read at any place.
func (c call) sourceOptions() source.Options {
	return source.Options{
		Stdin: c.stdin, TempDir: c.tempDir(),
		Note: func(text string) { c.note("%s", text) },
		Why:  c.Command.Name + " goes back and forth in it",
	}
}

// noteRemarks says what users should know of the images of a SOURCE.
func (c call) noteRemarks(set *source.Set) {
	for _, r := range set.Remarks {
		c.note("note: %s: %s", terminal.Quote(r.Image.Label), r.Text)
	}
}

func tempDirFlag() cli.Flag {
	return &cli.StringFlag{Name: "temp-dir", Usage: "`DIR` for what has to be stored in between",
		DefaultText: "that of the output, or TMPDIR"}
}

// tempDir is where temporary files go: where the user wants them, else where the output needs the space
// anyway.
func (c call) tempDir() string {
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
