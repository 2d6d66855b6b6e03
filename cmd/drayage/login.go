package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"drayage/internal/dockerauth"
	"drayage/internal/terminal"
	"drayage/registry"
)

const loginHelp = `Checks a user name and password with a registry and stores them where docker does: in the
credential helper that docker's config.json names for the registry, or else in that file. Without a REGISTRY,
Docker Hub is meant. What is not given is asked for on the terminal.

EXAMPLES:
   drayage login registry.corp
   drayage login registry.corp:5000 -u robot --password-stdin < token.txt
   drayage login registry.corp -u ann --authfile auth.json
   drayage login --registry https://nexus.corp/repository/docker -u ann`

const logoutHelp = `Removes what login has stored. Without a REGISTRY, Docker Hub is meant.

EXAMPLES:
   drayage logout registry.corp`

func loginCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "login",
		Category:    commandsAccess,
		Usage:       "check and store a user name and password for a registry",
		UsageText:   "drayage login [REGISTRY]",
		Description: loginHelp,
		Flags: append(append([]cli.Flag{
			&cli.StringFlag{Name: "username", Aliases: []string{"u"}, Category: groupAccess,
				Usage: "log in as `USER`"},
			&cli.StringFlag{Name: "password", Aliases: []string{"p"}, Category: groupAccess,
				Usage: "the `PASSWORD`, which others can see in the list of processes: better --password-stdin"},
			&cli.BoolFlag{Name: "password-stdin", Category: groupAccess,
				Usage: "read the password from standard input"},
			authFileFlag("store it in `FILE` instead, in docker's and podman's format"),
		}, connectionFlags()...), limitRateFlag(true), quietFlag(),
			baseFlag("`URL` of the registry's API, with its path prefix, to check with; "+
				"stored is what is for its host")),
		Action: env.run(call.login),
	}
}

func logoutCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "logout",
		Category:    commandsAccess,
		Usage:       "remove what login has stored",
		UsageText:   "drayage logout [REGISTRY]",
		Description: logoutHelp,
		Flags:       []cli.Flag{authFileFlag("remove it from `FILE` instead"), quietFlag()},
		Action:      env.run(call.logout),
	}
}

func (c call) login(ctx context.Context) error {
	name, err := c.registryArgument()
	if err != nil {
		return err
	}
	cred, err := c.typedCredential(ctx)
	if err != nil {
		return err
	}
	client, err := c.clientWith(only(name, registry.Credential(cred)))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Ping(ctx, name); err != nil {
		return loginError(name, err)
	}
	place, err := c.credentialStore().Save(ctx, name, cred)
	if err != nil {
		return fmt.Errorf("login %s: the password is right, but cannot be stored: %w", name, err)
	}
	c.note("logged in to %s as %s; the password is kept in %s", name, cred.Username, kept(place))
	if place.Helper == "" {
		c.note("warning: it is not encrypted there; " +
			"a credential helper (credsStore in that file) would keep it safe")
	}
	return nil
}

func (c call) logout(ctx context.Context) error {
	name, err := c.registryArgument()
	if err != nil {
		return err
	}
	place, removed, err := c.credentialStore().Remove(ctx, name)
	if err != nil {
		return fmt.Errorf("logout %s: %w", name, err)
	}
	if !removed {
		c.note("note: not logged in to %s: %s has nothing for it", name, kept(place))
		return nil
	}
	c.note("logged out of %s: removed from %s", name, kept(place))
	return nil
}

// credentialStore is where docker and podman keep credentials, for commands that change them.
func (c call) credentialStore() *dockerauth.Store {
	return dockerauth.New(dockerauth.Options{AuthFile: c.String("authfile"), Strict: true, Warn: c.warning()})
}

// kept names a place for users.
func kept(p dockerauth.Place) string {
	if p.Helper != "" {
		return "credential helper " + p.Helper
	}
	return p.File
}

// registryArgument is the registry that a command is for, as it stands in names of images. The argument may
// be an address that was copied from a browser.
func (c call) registryArgument() (string, error) {
	if c.NArg() > 1 {
		return "", usagef("%s takes one REGISTRY: %s given", c.Command.Name,
			terminal.Count(c.NArg(), "argument"))
	}
	name := c.Args().First()
	if base := c.String("registry"); base != "" {
		if name != "" {
			return "", usagef("--registry names the registry already: leave out %s", name)
		}
		return hostOf(base)
	}
	if name == "" && c.NArg() == 1 { // an empty variable: the password is not for Docker Hub
		return "", usagef("REGISTRY is empty: name one, or leave it out for Docker Hub")
	}
	if name == "" {
		c.note("note: no registry given, so Docker Hub (docker.io) is meant")
		return "docker.io", nil
	}
	if _, address, isURL := strings.Cut(name, "://"); isURL {
		name, _, _ = strings.Cut(address, "/")
	}
	if strings.Contains(name, "@") {
		return "", usagef("a REGISTRY has no user name in it: give it with --username")
	}
	name = strings.TrimSuffix(name, "/")
	ref, err := registry.ParseReference(name + "/x")
	if err != nil || strings.TrimPrefix(ref.Repository, "library/") != "x" {
		return "", usagef("%q is no REGISTRY: give host[:port]", name)
	}
	return ref.Registry, nil
}

// typedCredential is what the flags say, or what the user types.
func (c call) typedCredential(ctx context.Context) (cred dockerauth.Credential, err error) {
	cred.Username, cred.Password = c.String("username"), c.String("password")
	stdin := c.Bool("password-stdin")
	switch {
	case stdin && c.IsSet("password"):
		return cred, usagef("--password-stdin, but --password gives a password too")
	case cred.Username == "" && (stdin || c.IsSet("password")):
		return cred, usagef("a password needs --username USER")
	case stdin:
		cred.Password, err = readPassword(c.stdin)
	case c.given("password"):
		c.note("warning: others can see --password in the process list, and the shell remembers it; " +
			"--password-stdin is safe")
	case c.IsSet("password"): // by its variable
	case cred.Username == "":
		if cred.Username, err = c.ask(ctx, "User name", readLine); err == nil {
			cred.Password, err = c.ask(ctx, "Password", c.readSecret)
		}
	default:
		cred.Password, err = c.ask(ctx, "Password", c.readSecret)
	}
	switch {
	case err != nil:
		return cred, err
	case cred.Username == "" || cred.Password == "":
		return cred, usagef("neither the user name nor the password may be empty")
	case strings.Contains(cred.Username, ":"):
		return cred, usagef("a user name cannot hold a colon")
	}
	return cred, nil
}

// only gives a credential to one registry.
func only(name string, cred registry.Credential) credentialsFunc {
	return func(_ context.Context, asked, _ string) (registry.Credential, error) {
		if asked != name {
			return registry.Credential{}, nil
		}
		return cred, nil
	}
}

// loginError says why a login failed, without the advice to log in.
func loginError(name string, err error) error {
	if errors.Is(err, registry.ErrDenied) && errors.As(err, new(*registry.Error)) {
		return fmt.Errorf("login %s: %w: %v", name, registry.ErrDenied, err)
	}
	return fmt.Errorf("login %s: %w", name, err)
}

// ask asks on the terminal.
func (e *environment) ask(
	ctx context.Context, what string, read func(*os.File) (string, error),
) (string, error) {
	fd := int(e.stdin.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return "", usagef("there is no terminal to ask on: give --username USER and --password-stdin")
	}
	fmt.Fprintf(e.stderr, "%s: ", what)
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() { // nothing stops the read of a terminal: after an interrupt it ends with the process
		text, err := read(e.stdin)
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return "", fmt.Errorf("%s: %w", strings.ToLower(what), a.err)
		}
		return a.text, nil
	case <-ctx.Done():
		fmt.Fprintln(e.stderr)
		return "", errors.Join(context.Cause(ctx), term.Restore(fd, state)) // it may show nothing that is typed
	}
}

// readLine reads no more than a line, so that the next question gets what has been typed ahead.
func readLine(f *os.File) (string, error) {
	var line strings.Builder
	for b := make([]byte, 1); line.Len() < maxPassword; {
		n, err := f.Read(b)
		if n > 0 && b[0] == '\n' {
			break
		}
		line.Write(b[:n])
		if err == io.EOF && line.Len() == 0 {
			return "", io.ErrUnexpectedEOF
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err
		}
	}
	return strings.TrimSpace(line.String()), nil
}

// readSecret reads a line that does not appear on the terminal.
func (e *environment) readSecret(f *os.File) (string, error) {
	defer fmt.Fprintln(e.stderr)
	text, err := term.ReadPassword(int(f.Fd()))
	return string(text), err
}
