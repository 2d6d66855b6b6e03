package main

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"drayage/internal/complete"
	"drayage/internal/guide"
	"drayage/internal/source"
)

const completionHelp = `Prints a script that lets a shell complete commands, flags, their values, the
images of a layout (oci:DIR: and Tab) and the tags of a repository (alpine: and
Tab). For tags the script asks the registry, for two seconds at most, with the
flags of the line, your settings and your logins.

INTO A FILE THAT THE SHELL FINDS BY ITSELF:
   bash, with the package bash-completion:
     mkdir -p ~/.local/share/bash-completion/completions
     drayage completion bash > \
       ~/.local/share/bash-completion/completions/drayage
   zsh, with "fpath=(~/.zfunc $fpath)" before compinit in ~/.zshrc:
     mkdir -p ~/.zfunc
     drayage completion zsh > ~/.zfunc/_drayage
   fish:
     drayage completion fish > ~/.config/fish/completions/drayage.fish

OR A LINE IN THE FILE THAT THE SHELL READS:
   eval "$(drayage completion bash)"       in ~/.bashrc
   eval "$(drayage completion zsh)"        in ~/.zshrc, behind compinit
   drayage completion fish | source        in ~/.config/fish/config.fish
   drayage completion powershell | Out-String | Invoke-Expression
                                           in the file that $PROFILE names

EXAMPLES:
   drayage completion bash
   eval "$(drayage completion bash)"`

func completionCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "completion",
		Category:    commandsHelp,
		Usage:       "print a script for the completion of a shell",
		UsageText:   "drayage completion bash|zsh|fish|powershell",
		Description: completionHelp,
		Action:      env.run(call.completion),
	}
}

func (c call) completion(context.Context) error {
	if c.NArg() != 1 {
		return usagef("completion needs one shell, %s: %d given", guide.Or(complete.Shells...), c.NArg())
	}
	script := complete.Script(c.Args().First())
	if script == "" {
		return guide.Unknown("shell", c.Args().First(), complete.Shells)
	}
	_, err := io.WriteString(c.stdout, script)
	return err
}

// completeCommand is what the scripts of [complete.Script] call.
const completeCommand = "__complete"

// tagsTime is short: somebody waits for the answer with a finger on a key.
const tagsTime = 2 * time.Second

// complete answers a shell. It says nothing of errors: their text would stand in the middle of a line.
func (e *environment) complete(ctx context.Context, args []string) int {
	complete.LeaveTerminal()
	app := newApp(e)
	c := complete.Completer{
		Tool: tool(app), Images: source.Glance,
		Words:  map[string][]complete.Candidate{"PAGE": docsPages()},
		Global: []guide.Flag{guideFlag(cli.HelpFlag), guideFlag(cli.VersionFlag)},
		Tags: func(before []string, repository string) []string {
			ctx, stop := context.WithTimeout(ctx, tagsTime)
			defer stop()
			return tagsOf(ctx, before, repository)
		},
	}
	return exitCode(ctx, c.AnswerWithin(tagsTime+2*time.Second, e.stdin, e.rawOut, args))
}

// tagsOf asks a registry for the tags of a repository, with the flags that have been typed already. It asks
// no user for anything.
func tagsOf(ctx context.Context, before []string, repository string) (tags []string) {
	nowhere, err := os.Open(os.DevNull)
	if err != nil {
		return nil
	}
	defer nowhere.Close()
	args := append([]string{"drayage"}, before...)
	env := newEnvironment(args, nowhere, io.Discard, io.Discard)
	app := newApp(env)
	line, err := tool(app).Interpret(before)
	if err != nil {
		return nil
	}
	app.Command(line.Command).Action = func(c *cli.Context) error {
		ref, err := reference(c, repository)
		if err != nil {
			return err
		}
		client, err := call{env, c}.newClient([]string{ref.Registry}, false)
		if err != nil {
			return err
		}
		defer client.Close()
		tags, err = client.Repository(ref).Tags(c.Context)
		return err
	}
	_ = app.RunContext(ctx, append([]string{"drayage", line.Command}, line.Flags...))
	return tags
}
