package repair

import (
	"path/filepath"
	"strings"

	"drayage/internal/terminal"
)

// Line says in one line what was done about a volume, or would be.
func (r *Repair) Line(d Done, dryRun bool) string {
	verb := "mended "
	if dryRun {
		verb = "would mend "
	}
	return verb + r.set.Title(d.Volume) + ": " + strings.Join(r.parts(d), ", ")
}

func (r *Repair) parts(d Done) (parts []string) {
	all := r.set.BlocksOf(d.Volume)
	rebuilt := terminal.Count(d.Blocks, "block") + " rebuilt"
	if d.From != "" {
		parts = append(parts, "renamed from "+terminal.Quote(filepath.Base(d.From)))
	}
	switch {
	case d.New && d.Blocks == all:
		parts = append(parts, "rebuilt")
	case d.New && d.Blocks == 0:
		parts = append(parts, "copied")
	case d.New:
		parts = append(parts, "copied", rebuilt)
	case d.Blocks > 0:
		parts = append(parts, rebuilt)
	}
	if d.Added > 0 {
		parts = append(parts, terminal.Size(d.Added)+" of it were not there")
	}
	if d.Long > 0 {
		parts = append(parts, terminal.Count(int(d.Long), "byte")+" behind its end cut off")
	}
	if d.Aside != "" {
		parts = append(parts, "what had its name is now "+terminal.Quote(filepath.Base(d.Aside)))
	}
	return parts
}

// Total is how many bytes of each volume are computed and copied. Progress gets them in pieces.
func (r *Repair) Total() (n int64) {
	for b, bad := range r.rows {
		if len(bad) == 0 {
			continue
		}
		_, size, _ := r.set.BlockAt(0, b)
		n += size
		for _, m := range r.Mends {
			if r.inPlace(m) && b < len(m.Found.Bad) && m.Found.Bad[b] {
				n += size // once to compare it, and once to write it
				break
			}
		}
	}
	for _, m := range r.Mends {
		if r.inPlace(m) {
			continue
		}
		for b, bad := range m.Found.Bad {
			if _, size, _ := r.set.BlockAt(m.Volume, b); !bad {
				n += size
			}
		}
	}
	return n
}
