package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"drayage/internal/guide"
	"drayage/internal/report"
	"drayage/internal/settings"
	"drayage/internal/tables"
	"drayage/internal/terminal"
)

const settingsHelp = `Shows what environment variables and the file with settings set, and
where the file is. What stands on the command line counts first, then the
environment, then the file. Every flag has a variable: DRAYAGE_CA_FILE stands
for --ca-file. The file is in TOML, and --template prints one to begin with.

EXAMPLES:
   drayage settings
   drayage settings --template > ~/.config/drayage/config.toml
   DRAYAGE_PLATFORM=linux/arm64 drayage fetch alpine -o images`

func settingsCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "settings",
		Category:    commandsHelp,
		Usage:       "show what environment variables and the configuration file set",
		UsageText:   "drayage settings",
		Description: settingsHelp,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "template", Category: groupWhat,
				Usage: "print a file to begin with, in which every line is a comment"},
			jsonFlag(),
		},
		Action: env.run(call.settings),
	}
}

func configFlag() cli.Flag {
	return &cli.StringFlag{Name: "config", Category: groupHelp,
		Usage: "read settings from `FILE` instead of the file that drayage settings names"}
}

// flagKind says what the value of a flag is.
func flagKind(f cli.Flag) settings.Kind {
	switch f.(type) {
	case *cli.BoolFlag:
		return settings.Switch
	case *cli.IntFlag:
		return settings.Number
	case *cli.DurationFlag:
		return settings.Time
	case *cli.StringSliceFlag:
		return settings.List
	}
	return settings.Text
}

// flagsOf lists the flags that can be set elsewhere than on the command line.
func flagsOf(app *cli.App) settings.Flags {
	all := settings.Flags{}
	for _, c := range app.Commands {
		all[c.Name] = map[string]settings.Kind{}
		for _, f := range c.Flags {
			if name := f.Names()[0]; name != "help" {
				all[c.Name][name] = flagKind(f)
			}
		}
	}
	return all
}

// begin is what happens before the action of every command: flags that do not stand on the command line get
// what the environment or the file says.
func (e *environment) begin(c *cli.Context) error {
	if err := e.defaults(call{e, c}); err != nil {
		return err
	}
	e.json = wantsJSON(c)
	if err := (call{e, c}).noEmptyValue(); err != nil {
		return err
	}
	e.tell.JSON = e.tell.JSON || c.String(logFormat) == "json"
	if n := c.Int("jobs"); c.IsSet("jobs") && n < 1 {
		return usagef("--jobs %d: there is at least one job", n)
	}
	return call{e, c}.readShard()
}

// noEmptyValue refuses a value on the command line that is empty: mostly that of a shell's variable that is
// not set, and the default would be another thing than what was meant.
func (c call) noEmptyValue() error {
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		empty := false
		switch f.(type) {
		case *cli.StringFlag:
			empty = c.String(name) == ""
		case *cli.StringSliceFlag:
			empty = slices.Contains(c.StringSlice(name), "")
		case *listsFlag:
			empty = slices.Contains(c.paths(name), "")
		}
		if empty && c.given(name) {
			return usagef("--%s is empty: give it a value, or leave it out", name)
		}
	}
	return nil
}

func (e *environment) defaults(c call) error {
	all := flagsOf(c.App)
	own := all[c.Command.Name]
	if s, ok, _ := settings.FromEnvironment("config", settings.Text, os.Getenv); ok && !c.IsSet("config") {
		if err := c.take(s); err != nil {
			return err
		}
	}
	var file *settings.File
	if slices.ContainsFunc(settings.Keys(all), func(key string) bool { _, has := own[key]; return has }) {
		var err error
		if file, err = c.settingsFile(all); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		if c.IsSet(name) {
			continue
		}
		s, ok, err := settings.FromEnvironment(name, own[name], os.Getenv)
		if err != nil {
			return usagef("%v", err)
		}
		if !ok {
			s, ok = file.Lookup(c.Command.Name, name)
		}
		if ok {
			if err := c.take(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// take sets a flag to what stands elsewhere.
func (c call) take(s settings.Setting) error {
	for _, value := range s.Values {
		if err := c.Context.Set(s.Flag, value); err != nil {
			return usagef("%s: %v", s.From, err)
		}
	}
	c.elsewhere[s.Flag] = s
	return nil
}

// withVariables adds to arguments the flags with passwords that variables set, so that messages mask them.
func withVariables(args []string) []string {
	args = slices.Concat([]string{"drayage", ""}, args)
	for _, flag := range []string{"creds", "src-creds", "dest-creds", "password"} {
		args = append(args, "--"+flag, os.Getenv(settings.Variable(flag)))
	}
	return args
}

// given reports whether a flag stands on the command line.
func (c call) given(flag string) bool {
	_, elsewhere := c.elsewhere[flag]
	return c.IsSet(flag) && !elsewhere
}

// place is where the settings are: the file that the user has named, or the usual one.
func (c call) place() (path string, named bool) {
	if path := c.String("config"); path != "" {
		return path, true
	}
	home, _ := os.UserHomeDir() // empty with an error
	return settings.Place(runtime.GOOS, home, os.Getenv), false
}

// settingsFile reads the file with settings. It returns nil if there is none and none was named.
func (c call) settingsFile(all settings.Flags) (*settings.File, error) {
	path, named := c.place()
	if path == "" {
		return nil, nil
	}
	fi, err := os.Stat(path)
	switch {
	case err != nil && !named: // not there, or in a home that is another's
		return nil, nil
	case err == nil && !named && !fi.Mode().IsRegular(): // reading a pipe might never end
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	home, _ := os.UserHomeDir()
	file, err := settings.Reader{Flags: all, Home: home, Suggest: guide.Nearest}.Read(path)
	switch {
	case err == nil:
		return file, nil
	case errors.Is(err, fs.ErrNotExist) && c.Command.Name == "inspect":
		return nil, fmt.Errorf("--config names a file with settings of drayage (drayage config IMAGE prints the "+
			"configuration of an image): %w", err)
	case errors.As(err, new(*fs.PathError)):
		return nil, fmt.Errorf("--config: %w", err)
	}
	return nil, usagef("%v", err)
}

// blame adds to an error where a flag was set that it is about, if that is not the command line.
func (e *environment) blame(err error) error {
	about := settings.About(err.Error(), e.elsewhere)
	if about == "" || errors.As(err, new(*imagesFailed)) {
		return err
	}
	return fmt.Errorf("%w (%s)", err, about)
}

// settings shows what is set where.
func (c call) settings(context.Context) error {
	if c.NArg() > 0 {
		return usagef("settings takes no argument: %d given", c.NArg())
	}
	all := flagsOf(c.App)
	if c.Bool("template") {
		_, err := io.WriteString(c.stdout, settings.Template(all))
		return err
	}
	file, err := c.settingsFile(all)
	if err != nil {
		return err
	}
	found, err := settings.Gather(all, file, os.Getenv)
	if err != nil {
		return usagef("%v", err)
	}
	for _, name := range settings.Unknown(os.Environ(), all.Names()) {
		near := guide.Nearest(name, settings.Variables(all.Names()))
		if near != "" {
			near = ": did you mean " + near + "?"
		}
		c.note("note: %s stands for no flag%s", name, near)
	}
	path, _ := c.place()
	doc := report.Document{ConfigFile: path, Settings: []report.Setting{}}
	unset := settings.Keys(all)
	for _, s := range found {
		shown := report.Setting{Name: s.Flag, ForCommand: s.Verb, Values: s.Shown(), From: s.From}
		shown.Overridden = s.Beaten != ""
		doc.Settings = append(doc.Settings, shown)
		unset = slices.DeleteFunc(unset, func(key string) bool { return key == s.Flag })
	}
	if err := c.result(doc, nil); err != nil || c.Bool("json") {
		return err
	}
	return c.showSettings(path, file != nil, found, unset)
}

func (c call) showSettings(path string, there bool, found []settings.Gathered, unset []string) error {
	p := &tables.Printer{W: c.stdout, Width: c.narrow()}
	p.Line("file  %s", cmp.Or(path, "none: neither HOME nor XDG_CONFIG_HOME is set"))
	if path != "" && !there {
		p.Line("      is not there: drayage settings --template prints one to begin with")
	}
	rows := [][]string{{"SETTING", "COMMAND", "VALUE", "FROM"}}
	for _, s := range found {
		from := s.From
		if line, ok := strings.CutPrefix(from, path+":"); ok {
			from = "line " + line
		}
		if s.Beaten != "" {
			from += ", but " + s.Beaten + " counts"
		}
		value := terminal.Escape(strings.Join(s.Shown(), ", "), tables.MaxText)
		rows = append(rows, []string{s.Flag, cmp.Or(s.Verb, "all"), value, from})
	}
	for _, flag := range unset {
		rows = append(rows, []string{flag, "all", "-", "default"})
	}
	p.Line("")
	p.Table(rows)
	return p.Err
}
