package tables

import (
	"cmp"
	"fmt"
	"strings"

	"drayage/inspect"
	"drayage/internal/terminal"
)

// patches lists the layers of a platform that are patches, and what they are made of.
func (p *Printer) patches(pl *inspect.Platform) {
	rows := [][]string{{"LAYER", fmt.Sprintf("%10s", "PATCH"), "OF", "ENCODER"}}
	for i, l := range pl.Layers {
		if l.Patch != nil {
			rows = append(rows, []string{fmt.Sprintf("%5d", i+1), alignSize(l.Patch.Size), bases(l.Patch),
				encoder(l.Patch)})
		}
	}
	if len(rows) > 1 {
		p.Line("")
		p.Table(rows)
	}
}

// bases are the layers that a patch needs, the first two if they are many.
func bases(l *inspect.Patch) string {
	of := []string{}
	for _, b := range l.Bases {
		of = append(of, short(b))
	}
	if len(of) > 3 {
		of = append(of[:2], fmt.Sprintf("%d more", len(of)-2))
	}
	return strings.Join(of, ", ")
}

// encoder is what compresses the layer again.
func encoder(l *inspect.Patch) string {
	if l.Content {
		return "content only"
	}
	return cmp.Or(terminal.Escape(l.Model, 40), "uncompressed")
}

// LeftOut says what of the images is not in their archive.
func (p *Printer) LeftOut(images []*inspect.Image) {
	if n, bytes, patches := inspect.Patched(images); n > 0 {
		p.Line("")
		p.Line("as patches: %s with %s, for which the archive has %s",
			terminal.Count(n, "different layer"), terminal.Size(bytes), terminal.Size(patches))
	}
	if n, bytes := inspect.LeftOut(images); n > 0 {
		p.Line("")
		p.Line("not inside: %s with %s,\nwhich the destination has to have already",
			terminal.Count(n, "different layer"), terminal.Size(bytes))
	}
}
