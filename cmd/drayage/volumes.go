package main

import (
	"cmp"
	"context"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"drayage/internal/report"
	"drayage/internal/terminal"
)

// volumesFlag is --volumes: folders in which volumes of archives are, besides that of the set file.
func volumesFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "volumes", Category: groupWhere,
		Usage: "of an archive in volumes: look for them in `DIR` too, such as that of another stick"}
}

// checkVolumes compares the blocks of all volumes that were not read for the images.
func (v *verifier) checkVolumes(ctx context.Context) (err error) {
	files := v.set.Volumes
	if files == nil {
		return nil
	}
	meter := v.newMeter("verify volumes", nil)
	defer meter.finish()
	set := files.Set()
	all := v1.Descriptor{Digest: set.SHA256, Size: set.Size}
	for i := range set.Parity {
		all.Size += set.Parity[i].Size
	}
	meter.Plan([]v1.Descriptor{all})
	meter.Update(all, 0)
	v.volumes, err = files.Check(ctx, func(done int64) { meter.Update(all, done) })
	if err == nil && v.volumesFault() == nil {
		err = v.set.Gap // not for a fault of the volumes
	}
	return err
}

// volumesFault says which volumes are missing or damaged, if SOURCE has volumes.
func (v *verifier) volumesFault() error {
	if v.volumes == nil {
		return nil
	}
	return v.volumes.Err()
}

// filesFault is volumesFault, or says that files which are no volumes have the names of volumes.
func (v *verifier) filesFault() error {
	if v.volumes == nil {
		return nil
	}
	return cmp.Or(v.volumes.Err(), v.volumes.Names())
}

// volumeLines enters the volumes in the result. There are lines about them if one is missing or damaged.
func (v *verifier) volumeLines(doc *report.Document) []string {
	if v.volumes == nil {
		return nil
	}
	doc.Volumes = report.Volumes(v.volumes)
	return v.volumes.Lines()
}

// noteVolumes says how many volumes there are.
func (v *verifier) noteVolumes() {
	if v.volumes == nil {
		return
	}
	set := v.volumes.Set
	if set.Volume == 0 {
		if len(v.volumes.Faulty())+len(v.volumes.Held()) == 0 {
			v.note("%s: every block is what its set file says", set.Name)
		}
		return
	}
	text := terminal.Count(len(set.Volumes), "volume")
	if n := len(set.Parity); n > 0 {
		text += " and " + terminal.Count(n, "parity volume")
	}
	v.note("%s: %s, missing or bad: %d", set.Name, text, len(v.volumes.Faulty()))
}

// gap shows the volumes of SOURCE if no image can be read from them, and returns why. If a record is wanted,
// all volumes have to be there.
func (l *looker) gap() error {
	if l.set.Volumes == nil {
		return nil
	}
	err := l.set.Volumes.Found().Unusable()
	if len(l.set.Images) == 0 {
		err = cmp.Or(err, l.set.Gap)
	} else if l.String("record") == "" {
		return nil
	}
	if err == nil {
		return nil
	}
	doc := report.Document{Source: l.Args().First(), Volumes: l.volumes(), Images: []report.Image{}}
	return cmp.Or(l.result(doc, l.volumeLines()), err)
}

// volumes are what is known of the volumes of SOURCE without reading them.
func (l *looker) volumes() []report.Volume {
	if l.set.Volumes == nil {
		return nil
	}
	return report.Volumes(l.set.Volumes.Found())
}

// volumeLines are lines about the volumes of SOURCE, if one is missing or damaged.
func (l *looker) volumeLines() []string {
	if l.set.Volumes == nil {
		return nil
	}
	return l.set.Volumes.Found().Lines()
}
