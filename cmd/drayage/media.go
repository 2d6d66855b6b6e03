package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"drayage/dockerarchive"
	"drayage/internal/cut"
	"drayage/internal/terminal"
)

func changeMediaFlag() cli.Flag {
	return &cli.BoolFlag{Name: "change-media", Category: groupOutput,
		Usage: "with --volume-size: write one volume after the other, and ask for another medium at the folder " +
			"of FILE before each; further -o DIR get a copy of the set file"}
}

// checkMedia refuses --change-media where it makes no sense.
func (c call) checkMedia(cuts *cut.Options) error {
	switch {
	case !c.Bool("change-media"):
		return nil
	case cuts == nil:
		return usagef("--change-media needs --volume-size, such as dvd")
	case cuts.Parity > 0:
		return usagef("--change-media and --parity do not go together: parity needs all volumes side by side")
	case c.String("sign") != "":
		return usagef("--change-media and --sign do not go together: sign the set file with minisign afterwards")
	case !isTerminal(c.stdin) && !c.Bool("dry-run"):
		return usagef("--change-media asks on a terminal, and there is none")
	}
	return cuts.CheckFolders()
}

// onMedia writes volumes onto one medium after the other.
func (s *saver) onMedia(ctx context.Context, out string, opts dockerarchive.Options) error {
	dir, complete := filepath.Dir(out), 0
	m, err := cut.NewMedia(out, *s.cuts, func(done int, why string) error {
		complete = done
		if why != "" {
			s.note("%s: %s", dir, why)
		}
		_, err := s.ask(ctx, fmt.Sprintf("%s complete. Change the medium at %s and press Enter",
			terminal.Count(done, "volume"), dir), readLine)
		return err
	})
	if err != nil {
		return err
	}
	defer m.Abort()
	err = s.record.Follow(ctx, m, out, untrusted(s.sourceOptions()), func(w io.Writer) error {
		return s.stream(ctx, w, "one volume after the other", opts)
	})
	if s.told = complete > 0; err != nil && s.told {
		return fmt.Errorf("%w; no set file knows what is complete, %s: remove that before you begin anew", err,
			terminal.Count(complete, "volume"))
	} else if err != nil {
		return err
	}
	s.volumes = m
	sets, err := m.Finish(ctx)
	if err == nil {
		s.note("the set file is %s: each medium needs a copy of it, or whoever reads them", sets[len(sets)-1])
	}
	return err
}
