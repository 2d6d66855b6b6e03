package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"drayage/internal/durable"
	"drayage/internal/report"
	"drayage/internal/sign"
	"drayage/internal/terminal"
)

const keygenHelp = `Makes a pair of keys. save --sign signs with the secret key, and --key of push, save,
verify and the like checks with the public one. minisign takes both files too.

The password is asked for twice. With it the secret key is encrypted: who finds the
file can do nothing without the password. A lost key or password cannot be replaced:
make new keys then, and carry the new public key to the far side. A file that is there
is never written over.

EXAMPLES:
   drayage keygen -o drayage.key            writes drayage.pub too
   drayage keygen -o /media/safe/ship.key --password-stdin < password.txt`

func keygenCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "keygen",
		Category:    commandsMove,
		Usage:       "make a pair of keys for signatures",
		UsageText:   "drayage keygen [-o FILE]",
		Description: keygenHelp,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: groupWhere, Value: "drayage.key",
				Usage: "write the secret key to `FILE`, and the public key beside it, with .pub for .key"},
			&cli.BoolFlag{Name: "password-stdin", Category: groupAccess,
				Usage: "read the password from standard input"},
			&cli.StringFlag{Name: "password-file", Category: groupAccess, Usage: "read the password from `FILE`"},
			&cli.BoolFlag{Name: "no-password", Category: groupAccess,
				Usage: "do not encrypt the secret key: whoever can read the file can sign"},
			logFormatFlag(),
		}, outputFlags()...),
		Action: env.run(call.keygen),
	}
}

func (c call) keygen(ctx context.Context) error {
	if c.NArg() > 0 {
		return usagef("keygen takes no argument: name the file with -o")
	}
	secret := c.String("output")
	public := strings.TrimSuffix(secret, ".key") + ".pub"
	for _, path := range []string{secret, public} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return usagef("%s is there already: give another name with -o, keys are never written over", path)
		}
	}
	password, err := c.newPassword(ctx)
	if err != nil {
		return err
	}
	key, err := sign.Generate()
	if err != nil {
		return err
	}
	encoded, err := key.Encode(password)
	if err != nil {
		return err
	}
	if err := durable.WriteNew(secret, encoded, 0o600); err != nil {
		return err
	}
	if err := durable.WriteNew(public, key.Public().Encode(), 0o644); err != nil {
		return errors.Join(err, os.Remove(secret))
	}
	return c.saidKeys(secret, public, key.Public())
}

func (c call) saidKeys(secret, public string, key sign.PublicKey) error {
	c.note("%s is the secret key: keep it here, and a copy in a safe place", secret)
	if c.Bool("no-password") {
		c.note("warning: it is not encrypted: whoever can read %s can sign", secret)
	}
	c.note("%s is the public key: carry it to the far side by a way of its own", public)
	doc := report.Document{Output: secret,
		Key: &report.Key{ID: key.ID.String(), File: public, Public: key.String()}}
	return c.result(doc, []string{fmt.Sprintf("key ID %s: %s", key.ID, terminal.Quote(public))})
}

// newPassword is the password for a new key. It is empty if there is to be none.
func (c call) newPassword(ctx context.Context) (string, error) {
	given := 0
	for _, flag := range []string{"password-stdin", "password-file", "no-password"} {
		if c.Bool(flag) || c.String(flag) != "" && flag == "password-file" {
			given++
		}
	}
	if given > 1 {
		return "", usagef("give one of --password-stdin, --password-file and --no-password")
	}
	password, err := "", error(nil)
	switch {
	case c.Bool("no-password"):
		return "", nil
	case c.Bool("password-stdin"):
		password, err = readPassword(c.stdin)
	case c.String("password-file") != "":
		password, err = passwordFile("password-file", c.String("password-file"))
	default:
		password, err = c.askTwice(ctx)
	}
	if err == nil && len(password) > sign.MaxPassword {
		err = usagef("the password has %d bytes: minisign takes no more than %d", len(password), sign.MaxPassword)
	}
	return password, err
}

// askTwice asks for a new password.
func (c call) askTwice(ctx context.Context) (string, error) {
	if !term.IsTerminal(int(c.stdin.Fd())) {
		return "", usagef("there is no terminal to ask for a password on: give --password-stdin or --password-file")
	}
	first, err := c.ask(ctx, "Password for the new key", c.readSecret)
	if err != nil {
		return "", err
	}
	if first == "" {
		return "", usagef("the password is empty: --no-password makes a key without one")
	}
	second, err := c.ask(ctx, "The same again", c.readSecret)
	if err == nil && first != second {
		err = usagef("the two passwords differ: nothing is written")
	}
	return first, err
}

// passwordFile reads the password that a file holds.
func passwordFile(flag, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("--%s: %w", flag, err)
	}
	defer f.Close()
	return readPasswordOf(f, "--"+flag, path)
}
