package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"drayage/internal/cut"
	"drayage/internal/kind"
	"drayage/internal/report"
	"drayage/internal/sign"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/internal/volume"
	"drayage/registry"
)

func signFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "sign", Category: groupOutput,
			Usage: "sign the set file, which a tar in one piece gets too, with the secret key in `FILE`, of " +
				"keygen or of minisign"},
		&cli.StringFlag{Name: "sign-password-file", Category: groupOutput,
			Usage: "read the password of the key of --sign from `FILE`; without it, it is asked for on the terminal"},
		&cli.BoolFlag{Name: "set", Category: groupOutput,
			Usage: "write the set file beside a tar in one piece too, so that ssh-keygen can sign it"},
	}
}

// signer signs the set file of what a save command writes. Its key is nil if nobody has asked for that.
type signer struct {
	key  *sign.SecretKey
	file string
	at   time.Time
	set  bool // a set file is wanted
}

// signing reads --sign and opens the key, so that what is wrong with it shows before the long work begins.
func (c call) signing(ctx context.Context, out source.Output) (s signer, err error) {
	s.file, s.set = c.String("sign"), c.Bool("set") || c.String("sign") != ""
	switch {
	case !s.set:
		return s, nil
	case out.Form == source.LayoutDir:
		return s, usagef("--sign and --set are for a tar, and -o %s is a layout", out.Text)
	case inOrder(out.Path):
		return s, usagef("--sign and --set write a file beside the tar, and -o %s is a stream: give -o FILE",
			out.Text)
	}
	if c.String("volume-size") == "" {
		if err := cut.CheckSingle(out.Path); err != nil {
			return s, err
		}
	}
	if s.file == "" || c.Bool("dry-run") {
		return s, nil
	}
	if s.at, err = sign.Now(os.Getenv("SOURCE_DATE_EPOCH")); err != nil {
		return s, usagef("%v", err)
	}
	locked, err := sign.ReadSecretKey(s.file)
	if err != nil {
		return s, fmt.Errorf("--sign: %w", err)
	}
	password := ""
	if locked.NeedsPassword() {
		if password, err = c.signPassword(ctx, s.file); err != nil {
			return s, err
		}
	}
	if s.key, err = locked.Open(password); errors.Is(err, sign.ErrPassword) {
		return s, kind.Errorf(registry.ErrDenied, "--sign %s: %w", s.file, err)
	} else if err != nil {
		return s, fmt.Errorf("--sign %s: %w", s.file, err)
	}
	return s, nil
}

// signPassword is the password of a secret key.
func (c call) signPassword(ctx context.Context, key string) (string, error) {
	if path := c.String("sign-password-file"); path != "" {
		return passwordFile("sign-password-file", path)
	}
	if !term.IsTerminal(int(c.stdin.Fd())) {
		return "", usagef("%s has a password, and there is no terminal to ask for it on: "+
			"give --sign-password-file", key)
	}
	return c.ask(ctx, "Password of "+key, c.readSecret)
}

// noteStale says what an earlier archive of this name has left beside one in one piece.
func (s *saver) noteStale(out string) {
	name := terminal.ShellWord(volume.SetName(out))
	switch {
	case cut.HasVolumes(out):
		s.note("note: %s and its volumes are of an earlier archive, and whoever opens the folder gets that one: "+
			"remove them if nobody needs them any more", name)
	case cut.HasSet(out):
		s.note("note: %s is of an earlier archive: without --sign or --set it is not written again", name)
	}
}

// commit gives an archive in one piece its name, and writes and signs its set file if that is wanted. An
// earlier set file and its signatures go first: they never stand beside another archive.
func (s *saver) commit(ctx context.Context, f cut.Whole, out string) error {
	if !s.signer.set {
		s.noteStale(out)
		return s.commitSummed(ctx, f, out)
	}
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	set, err := cut.Describe(ctx, f, filepath.Base(out), fi.Size())
	if err != nil {
		return err
	}
	raw, err := set.Encode()
	if err != nil {
		return err
	}
	if err := cut.ClearSet(out); err != nil {
		return err
	}
	if err := s.commitSummed(ctx, f, out); err != nil {
		return err
	}
	if err := cut.WriteSet(out, raw); err != nil {
		return err
	}
	return s.signSet(volume.SetName(out), raw)
}

// signSet signs a set file, last of all.
func (s *saver) signSet(path string, raw []byte) error {
	if s.signer.key == nil {
		return nil
	}
	signed, err := s.signer.key.File(path, raw, s.signer.at)
	if err != nil {
		return fmt.Errorf("sign %s: %w", path, err)
	}
	s.signed = append(s.signed, report.Signature{File: signed.File, Signature: signed.Filename, Key: signed.By,
		Time: signed.Time.Format(time.RFC3339), Comment: signed.Comment})
	return nil
}

// noteSigned says what belongs to the archive, and who checks it how.
func (s *saver) noteSigned(out string) {
	for _, g := range s.signed {
		if g.Signature != "" && filepath.Base(g.File) == filepath.Base(volume.SetName(out)) {
			s.note("%s: signed with key ID %s", g.Signature, g.Key)
		}
	}
	if s.signer.set && s.signer.key == nil && s.volumes == nil {
		s.note("%s: the set file, to sign: ssh-keygen -Y sign -n %s -f KEY %s", volume.SetName(out),
			sign.Namespace, terminal.ShellWord(volume.SetName(out)))
	}
}
