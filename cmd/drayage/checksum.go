package main

import (
	"context"
	"os"

	"github.com/urfave/cli/v2"

	"drayage/internal/checksums"
	"drayage/internal/cut"
	"drayage/internal/kind"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/registry"
)

func checksumFlag() cli.Flag {
	return &cli.BoolFlag{Name: "checksum", Category: groupOutput,
		Usage: "also write FILE.sha256, which sha256sum -c and verify check; with --volume-size for all volumes"}
}

// checkChecksum refuses --checksum where there is no tar.
func (c call) checkChecksum(out source.Output) error {
	if c.Bool("checksum") && (out.Form == source.LayoutDir || inOrder(out.Path)) {
		return usagef("--checksum writes a file beside a tar, and -o %s is none: give -o FILE", out.Text)
	}
	return nil
}

// commitSummed gives an archive in one piece its name, and writes its checksum if that is wanted.
func (s *saver) commitSummed(ctx context.Context, f cut.Whole, out string) error {
	if s.Bool("checksum") {
		return cut.CommitSummed(ctx, f, out)
	}
	if _, err := os.Lstat(out + checksums.Suffix); err == nil {
		s.note("note: %s was there before and may be of another archive: --checksum writes it anew",
			out+checksums.Suffix)
	}
	return f.Commit()
}

// compareChecksum compares SOURCE with the file of checksums beside it, if there is one that knows it.
func (v *verifier) compareChecksum(ctx context.Context) error {
	path, differs, err := v.set.Checksum(ctx)
	if differs != "" {
		v.unlike = kind.Errorf(registry.ErrIntegrity, "verify %s: %s is not what %s says", v.set.Spec.Text, differs,
			path)
	} else if path != "" {
		v.note("it is what %s says", terminal.ShellWord(path))
	}
	return err
}
