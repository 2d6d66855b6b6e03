package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"drayage/internal/durable"
	"drayage/internal/repair"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/internal/volume"
)

const repairHelp = `Makes an archive in volumes whole again. SOURCE is its set file, one of its
volumes, or the folder with them. Every block of every volume is compared with
the set file first.

Volumes under wrong names get their names. Something else that has the name of
a missing volume is called like x.tar.other.001, and is left as it is.

What is missing or bad is rebuilt from the parity volumes, which save --parity
writes. With K of them, K volumes may be missing. Or blocks are bad in any
number of volumes, as long as no more than K are bad at the same place.

In a volume that is there, only bad blocks are overwritten. A missing volume
gets its name when it is whole. Everything that was written is read back. A
repair may be interrupted at any moment: nothing that was good becomes bad, and
the same command goes on. If too much is bad, no block is changed, the volumes
are named that are needed besides, and the exit code is 6.

With -o DIR everything that is mended is written into DIR, and nothing else is
changed. That is for a medium that cannot be written.

EXAMPLES:
   drayage repair x.tar.set
   drayage repair x.tar.set --dry-run           what would be done?
   drayage repair /media/stick
   drayage repair x.tar.set --volumes /media/b  volumes are there too
   drayage repair /media/dvd/x.tar.set -o mended`

func repairCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "repair",
		Category:    commandsMove,
		Usage:       "rebuild volumes that are missing or damaged, and give them their names",
		UsageText:   "drayage repair SOURCE [-o DIR]",
		Description: repairHelp,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: groupWhere,
				Usage: "write what is mended into `DIR`, and leave everything else as it is"},
			volumesFlag(), keyFlag(), dryRunFlag(), logFormatFlag(),
		}, outputFlags(progressFlag())...),
		Action: env.run(call.mend),
	}
}

// mend makes volumes whole again.
func (c call) mend(ctx context.Context) error {
	if c.NArg() != 1 {
		return usagef("repair needs one SOURCE: %s given", terminal.Count(c.NArg(), "argument"))
	}
	var held *durable.Hold
	defer func() { held.Release() }()
	found, health, err := c.checkedVolumes(ctx, &held)
	if err != nil {
		return fmt.Errorf("repair %s: %w", c.Args().First(), err)
	}
	defer found.Close()
	file := found.File
	opts := repair.Options{Dir: filepath.Dir(file), Out: c.String("output"), Raw: found.Raw}
	r, err := repair.New(health.Set, repair.FoundBy(health), opts)
	if err == nil {
		err = c.runRepair(ctx, file, r)
	}
	if err == nil {
		err = held.Stays()
	}
	if err != nil {
		err = fmt.Errorf("repair %s: %w", file, repairHint(c, r, err))
	}
	return errors.Join(err, c.repaired(r, health, err))
}

// hold keeps others from changing the volumes while they are repaired. What is mended elsewhere is written
// there only. Where nothing can be written, nobody else changes names either, so no lock is needed.
func (c call) hold(held **durable.Hold) func(archive string, dirs []string) error {
	return func(archive string, dirs []string) (err error) {
		if c.Bool("dry-run") {
			return nil
		}
		if out := c.String("output"); out != "" {
			dirs = []string{out}
		}
		if *held, err = durable.HoldFolders(archive, dirs...); durable.Unwritable(err) {
			return nil
		}
		return err
	}
}

// checkedVolumes compares all volumes of SOURCE with its set file, and says what is wrong. Where files that
// are open can get other names, the volumes stay open: so they are told from others until the end.
func (c call) checkedVolumes(ctx context.Context, held **durable.Hold) (
	*source.Found, *volume.Health, error,
) {
	opts := c.sourceOptions()
	if out := c.String("output"); out != "" {
		if err := os.MkdirAll(out, 0o777); err != nil && !c.Bool("dry-run") {
			return nil, nil, err
		}
		opts.Volumes = append(opts.Volumes, out)
	}
	files, err := source.OpenVolumes(ctx, c.Args().First(), opts, c.hold(held))
	if err != nil {
		return nil, nil, err
	}
	meter := c.newMeter("check", nil)
	defer meter.finish()
	set := files.Set()
	all := v1.Descriptor{Digest: set.SHA256}
	for i := range set.Len() {
		all.Size += set.At(i).Size
	}
	meter.Plan([]v1.Descriptor{all})
	meter.Update(all, 0)
	health, err := files.Check(ctx, func(done int64) { meter.Update(all, done) })
	if err != nil || runtime.GOOS == "windows" {
		files.Close()
	}
	if err != nil {
		return nil, nil, err
	}
	meter.finish()
	c.noteHealth(health)
	return files, health, nil
}

// maxTold is how many volumes have a line about what is wrong with them.
const maxTold = 50

func (c call) noteHealth(h *volume.Health) {
	all := h.Sentences()
	for _, text := range all[:min(len(all), maxTold)] {
		c.note("%s", text)
	}
	if len(all) > maxTold {
		c.note("and %d more volumes", len(all)-maxTold)
	}
}

// runRepair does what has to be done, unless only that is asked for.
func (c call) runRepair(ctx context.Context, file string, r *repair.Repair) error {
	if c.Bool("dry-run") {
		return r.Try()
	}
	meter := c.newMeter("repair", nil)
	defer meter.finish()
	all := v1.Descriptor{Digest: r.Set().SHA256, Size: r.Total()}
	meter.Plan([]v1.Descriptor{all})
	meter.Update(all, 0)
	done := int64(0)
	return r.Run(ctx, file, func(n int64) {
		done += n
		meter.Update(all, done)
	})
}

// repairHint adds to an error what to do.
func repairHint(c call, r *repair.Repair, err error) error {
	switch {
	case errors.Is(err, repair.ErrTooMuch):
		return fmt.Errorf("%w (bring a good copy, or write it again on the near side: "+
			"drayage save ... --only %s)", err, strings.Join(numbers(r.Lack.Needed), ","))
	case errors.Is(err, repair.ErrPlace) && c.String("output") == "":
		return fmt.Errorf("%w; nothing has been changed: -o DIR writes what is mended there", err)
	}
	return err
}

// numbers are volumes as --only takes them.
func numbers(volumes []int) (all []string) {
	for _, i := range volumes {
		all = append(all, fmt.Sprint(i+1))
	}
	return all
}

// repaired prints the result. failed is why it is not complete, or nil.
func (c call) repaired(r *repair.Repair, h *volume.Health, failed error) error {
	doc := report.Document{Source: c.Args().First(), Output: c.String("output"), DryRun: c.Bool("dry-run"),
		Volumes: report.Volumes(h), Mended: []report.Mended{}}
	if r == nil {
		return nil
	}
	if r.Lack != nil {
		for _, i := range r.Lack.Needed {
			doc.NeededVolumes = append(doc.NeededVolumes, i+1)
		}
	}
	var lines []string
	if failed == nil || errors.Is(failed, repair.ErrTooMuch) {
		for _, d := range r.Done() {
			lines = append(lines, r.Line(d, doc.DryRun))
			doc.Mended = append(doc.Mended, report.Mended{Name: r.Set().FileName(d.Volume), Path: d.Path,
				RenamedFrom: d.From, RebuiltBlocks: d.Blocks, New: d.New, CutBytes: d.Long, Aside: d.Aside})
		}
	}
	if err := c.result(doc, lines); err != nil || failed != nil {
		return err
	}
	c.noteRepaired(r, h, len(lines))
	return nil
}

func (c call) noteRepaired(r *repair.Repair, h *volume.Health, mended int) {
	set := r.Set()
	what := terminal.Count(len(set.Volumes), "volume")
	if n := len(set.Parity); n > 0 {
		what += " and " + terminal.Count(n, "parity volume")
	}
	state := "all are whole"
	switch {
	case mended == 0:
		state = "all are whole, nothing had to be repaired"
	case c.Bool("dry-run"):
		state = fmt.Sprintf("%d of them would be mended", mended)
	}
	if err := h.Names(); err != nil && len(h.Held()) == 0 {
		c.note("note: %v", err)
	}
	c.note("%s: %s, %s", volume.SetName(set.Name), what, state)
}
