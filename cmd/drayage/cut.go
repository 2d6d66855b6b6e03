package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"drayage/dockerarchive"
	"drayage/internal/cut"
	"drayage/internal/forecast"
	"drayage/internal/limits"
	"drayage/internal/pack"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/internal/volume"
)

func volumeSizeFlag() cli.Flag {
	return &cli.StringFlag{Name: "volume-size", Category: groupOutput,
		Usage: "cut the tar into volumes FILE.001, FILE.002 and so on of at most `BYTES`, such as 4G or 700M, " +
			"or as a medium takes them: fat32, dvd or bd; FILE.set has their hashes"}
}

func parityFlag() cli.Flag {
	return &cli.IntFlag{Name: "parity", Category: groupOutput, DefaultText: "none",
		Usage: "with --volume-size: also write `K` parity volumes FILE.p01, FILE.p02 and so on, each as large as " +
			"the largest volume: drayage repair then makes up for K volumes that are lost"}
}

// parity reads --parity.
func (c call) parity() (int, error) {
	k, volumes := c.Int("parity"), c.String("volume-size") != ""
	switch {
	case !c.IsSet("parity") || !volumes && !c.given("parity"):
		return 0, nil
	case !volumes:
		return 0, usagef("--parity needs --volume-size: parity volumes are as large as the others")
	case k < 1 || k >= limits.SetVolumes:
		return 0, usagef("--parity %d: there can be 1 to %d parity volumes", k, limits.SetVolumes-1)
	}
	return k, nil
}

// cutting is how a save command cuts its archive. It is nil if there are no volumes.
func (c call) cutting(out source.Output) (*cut.Options, error) {
	text := c.String("volume-size")
	k, err := c.parity()
	more := c.paths("output")[1:]
	switch {
	case text == "" && len(more) > 0:
		return nil, usagef("-o is there %d times: further ones name folders for volumes, with --volume-size",
			1+len(more))
	case err != nil || text == "":
		return nil, err
	case out.Form == source.LayoutDir:
		return nil, usagef("--volume-size is for a tar, and -o %s is a layout", out.Text)
	case inOrder(out.Path):
		return nil, usagef("--volume-size writes several files, and -o %s is a single stream: give -o FILE",
			out.Text)
	}
	n, err := cut.ParseSize(text)
	if err != nil {
		return nil, usagef("--volume-size: %v", err)
	}
	return &cut.Options{Volume: n, Folders: more, Parity: k, Checksum: c.Bool("checksum")}, nil
}

// cutDisks divides what the archive needs between the folders that its volumes would go to. An earlier run
// has left some bytes of it.
func (s *saver) cutDisks(disks []forecast.Disk, held int64) ([]forecast.Disk, error) {
	if s.cuts == nil {
		return disks, nil
	}
	if s.Bool("change-media") && len(disks) > 0 {
		s.note("%s, each on a medium of its own", s.cuts.Count(disks[0].Needed+held))
		disks[0].Needed = min(disks[0].Needed, s.cuts.Volume)
		disks[0].Largest = disks[0].Needed
		return disks, nil
	}
	all, err := forecast.Cut(disks, s.out.Path, *s.cuts, held)
	return all, s.tooMany(err)
}

// tooMany makes an error about the command line of one about too many volumes.
func (s *saver) tooMany(err error) error {
	if many := new(cut.TooManyError); errors.As(err, &many) {
		return usagef("--volume-size %s: %v", s.String("volume-size"), many)
	}
	return err
}

// inVolumes is an archive that has been cut into volumes.
type inVolumes interface {
	Set() *volume.Set
	Written() []cut.File
	Summary() string
	Load() string
}

// volumes is an archive that is being cut into volumes.
type volumes interface {
	dockerarchive.File
	io.WriteSeeker
	Room(rest int64) error
	Finish(ctx context.Context) error
	Size() int64
	Shares() []cut.Share
	Commit() error
	Abort()
}

// cut writes the archive into volumes.
func (s *saver) cut(ctx context.Context, out string, opts dockerarchive.Options) (err error) {
	w, left, err := s.beginVolumes(out)
	if err != nil {
		return err
	}
	defer w.Abort()
	if k := s.cuts.Parity; k > 0 {
		s.note("%s: at most %s more, and everything is read once more for them",
			terminal.Count(k, "parity volume"), terminal.Size(int64(k)*s.cuts.Volume))
	}
	opts.Room = func(rest int64) error {
		err := w.Room(rest)
		if len(s.cuts.Folders) > 0 && err == nil {
			for _, share := range w.Shares() {
				s.note("%s", share)
			}
		}
		return err
	}
	if s.compress != pack.None {
		err = s.compressFile(ctx, w, opts)
	} else {
		err = s.writeAt(ctx, w, w, opts)
	}
	if err == nil {
		err = w.Finish(ctx)
	}
	if err == nil {
		err = s.record.FillAt(ctx, w, w.Size(), out, s.sourceOptions())
	}
	if err = s.tooMany(err); err != nil && left != nil {
		return s.keep(left, err)
	}
	if err != nil {
		return err
	}
	if err := w.Commit(); err != nil {
		return err
	}
	return s.signSets()
}

// signSets signs the set file in each folder.
func (s *saver) signSets() error {
	raw, err := s.volumes.Set().Encode()
	if err != nil {
		return err
	}
	for _, f := range s.volumes.Written() {
		if filepath.Base(f.Path) == volume.SetName(s.volumes.Set().Name) {
			if err := s.signSet(f.Path, raw); err != nil {
				return err
			}
		}
	}
	return nil
}

// beginVolumes begins volumes. left is set if another run can go on with them.
func (s *saver) beginVolumes(out string) (w volumes, left keeper, err error) {
	if !s.resumes() {
		one, err := cut.Create(out, *s.cuts)
		s.volumes = one
		return one, nil, err
	}
	r, err := cut.Resume(out, *s.cuts)
	if err != nil {
		return nil, nil, err
	}
	s.volumes = r.Writer
	return r, r, nil
}

// written enters in the result what has been written, and says in how many volumes.
func (s *saver) written(doc *report.Document) string {
	if s.volumes == nil {
		if fi, err := os.Stat(doc.Output); err == nil {
			doc.OutputBytes = fi.Size()
		}
		return ""
	}
	set := s.volumes.Set()
	doc.OutputBytes = set.Size
	for _, f := range s.volumes.Written() {
		doc.Files = append(doc.Files, report.File{Path: f.Path, SizeBytes: f.Size, Digest: f.SHA256})
	}
	return s.volumes.Summary()
}

// opened is what push and other commands take for the archive.
func (s *saver) opened(out string) string {
	if s.volumes == nil {
		return out
	}
	return volume.SetName(out)
}
