package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
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
func (s *saver) commitSummed(ctx context.Context, f whole, out string) error {
	if !s.Bool("checksum") {
		if _, err := os.Lstat(out + checksums.Suffix); err == nil {
			s.note("note: %s was there before and may be of another archive: --checksum writes it anew",
				out+checksums.Suffix)
		}
		return f.Commit()
	}
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	sum, err := cut.Sum(ctx, f, fi.Size())
	if err != nil {
		return err
	}
	return s.commitWith(f, out, sum)
}

// commitWith gives an archive with that SHA-256 its name. A former file of checksums goes before that.
func (s *saver) commitWith(f whole, out string, sum digest.Digest) error {
	if !s.Bool("checksum") {
		return f.Commit()
	}
	if err := checksums.Remove(out); err != nil {
		return err
	}
	if err := f.Commit(); err != nil {
		return err
	}
	return checksums.Write(out, []checksums.Line{{Name: filepath.Base(out), SHA256: sum}})
}

// compareChecksum compares SOURCE with the file of checksums beside it, if there is one that knows it.
func (v *verifier) compareChecksum(ctx context.Context) error {
	if v.set.Spec.Kind != source.Archive {
		return nil
	}
	var have []checksums.Line
	path := v.set.Spec.Path
	if files := v.set.Volumes; files != nil {
		path = filepath.Join(filepath.Dir(path), files.Set().Name)
		have = cut.Lines(files.Set())
	}
	lines, err := checksums.Beside(path)
	if err != nil || lines == nil {
		return err
	}
	if name := filepath.Base(path); have == nil && checksums.Of(lines, name) != "" {
		_, sum, err := v.set.Sum(ctx)
		if err != nil {
			return err
		}
		have = []checksums.Line{{Name: name, SHA256: sum}}
	}
	n, differs := checksums.Compare(lines, have)
	if differs != "" {
		v.unlike = kind.Errorf(registry.ErrIntegrity, "verify %s: %s is not what %s says", v.set.Spec.Text, differs,
			path+checksums.Suffix)
	} else if n > 0 {
		v.note("it is what %s says", terminal.ShellWord(path+checksums.Suffix))
	}
	return nil
}
