// Package tables shows images to people: what [inspect.Read] has found of them, as tables and lists.
package tables

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/inspect"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/internal/verify"
)

// MaxText is how much of a text from an image is shown: labels may hold whole documents.
const MaxText = 200

const maxName = 512

// Printer shows images to people, in lines of 80 characters where digests, names and texts allow it.
type Printer struct {
	W        io.Writer
	Detailed bool  // every platform in detail, not only that of a single image
	Several  bool  // there is more than one image
	Width    int   // of a narrow terminal: rows of wider tables are divided; 0: they are not
	Err      error // the first one: nothing is written after it
}

// Line writes a line.
func (p *Printer) Line(format string, args ...any) {
	if p.Err == nil {
		_, p.Err = fmt.Fprintln(p.W, terminal.Sprintf(format, args...))
	}
}

// Image shows an image: its platforms in an overview, or in detail.
func (p *Printer) Image(im *inspect.Image) {
	for _, n := range im.Names {
		p.Line("%s", terminal.Escape(n, maxName))
	}
	switch {
	case len(im.Names) > 0:
	case im.Ref != "":
		p.Line("%s (no name)", terminal.Escape(im.Ref, maxName))
	default:
		p.Line("(no name)")
	}
	if im.Kind == inspect.Index {
		p.Line("index    %s", im.Digest)
	}
	if !p.Detailed && (p.Several || len(im.Platforms) != 1) {
		p.overview(im)
	} else {
		for i := range im.Platforms {
			if i > 0 {
				p.Line("")
			}
			p.platform(im, &im.Platforms[i])
		}
	}
	p.referrers(im)
}

// overview lists the platforms of an image.
func (p *Printer) overview(im *inspect.Image) {
	if im.Kind == inspect.Index {
		p.Line("holds    %s", holds(im))
		p.Line("size     %s %s in %s",
			terminal.Size(im.LayerBytes), stored(im), terminal.Count(im.Layers, "different layer"))
		p.Line("")
	}
	rows := [][]string{{"PLATFORM", "MANIFEST", "IMAGE ID", sizeTitle(im), "LAYERS"}}
	for _, pl := range im.Platforms {
		row := []string{cmp.Or(platformLabel(pl), "-"), short(pl.Digest)}
		if pl.Missing {
			row = append(row, "is not here")
		} else {
			row = append(row, short(pl.ID), alignSize(pl.LayerBytes), fmt.Sprintf("%6d", len(pl.Layers)))
		}
		rows = append(rows, row)
	}
	p.Table(rows)
}

// stored says what the sizes of layers are: those of a docker tar are mostly uncompressed.
func stored(im *inspect.Image) string {
	if im.Kind == inspect.SavedTar {
		return "stored"
	}
	return "compressed"
}

func sizeTitle(im *inspect.Image) string { return fmt.Sprintf("%10s", strings.ToUpper(stored(im))) }

// Legend ends an overview: it says what the IDs are good for, and how to see more.
func (p *Printer) Legend(images []*inspect.Image, spec source.Spec) {
	first := images[0]
	containerd := "the index, or else the MANIFEST,"
	switch {
	case first.Kind == inspect.SavedTar:
		containerd = "another ID"
	case !p.Several:
		containerd = short(first.Digest)
	}
	p.Line("")
	if p.Several {
		n, bytes := inspect.Total(images)
		p.Line("%s, together %s %s in %s", terminal.Count(len(images), "image"), terminal.Size(bytes),
			stored(first), terminal.Count(n, "different layer"))
	}
	p.ids("the IMAGE ID", containerd)
	switch {
	case !p.Several:
		if i := slices.IndexFunc(first.Platforms, isImage); i >= 0 {
			p.Line("one platform in detail:\n  drayage inspect %s --platform %s",
				terminal.ShellWord(spec.Text), terminal.Escape(first.Platforms[i].Platform, MaxText))
		}
	case spec.Path != "":
		p.Line("one image in detail:\n  drayage inspect %s:%s:NAME",
			spec.Before(first.Kind == inspect.SavedTar), terminal.ShellWord(spec.Path))
	}
}

// platform shows one platform, or an artifact, in detail.
func (p *Printer) platform(im *inspect.Image, pl *inspect.Platform) {
	kind, label := "platform", platformLabel(*pl)
	if pl.ArtifactType != "" {
		kind, label = "artifact", terminal.Escape(pl.ArtifactType, MaxText)
	}
	for _, l := range [][2]string{{"manifest", string(pl.Digest)}, {"image ID", string(pl.ID)}, {kind, label}} {
		if l[1] != "" {
			p.Line("%s %s", l[0], l[1])
		}
	}
	if pl.Missing {
		p.Line("         is not here")
		return
	}
	if pl.Sealed != "" {
		p.Line("sealed   %s", terminal.Escape(pl.Sealed, MaxText))
	}
	p.settings(pl)
	p.layers(im, pl)
	p.dockerID(pl)
}

func (p *Printer) settings(pl *inspect.Platform) {
	var rows [][]string
	add := func(name string, values ...string) {
		for _, v := range values {
			if v != "" {
				rows = append(rows, []string{name, terminal.Escape(v, MaxText)})
				name = ""
			}
		}
	}
	if c := pl.Config; c != nil {
		if c.Created != nil {
			add("created", c.Created.UTC().Format(time.RFC3339))
		}
		add("author", c.Author)
		add("entrypoint", words(c.Entrypoint))
		add("cmd", words(c.Cmd))
		add("user", c.User)
		add("workdir", c.WorkingDir)
		add("env", c.Env...)
		add("ports", strings.Join(c.ExposedPorts, " "))
		add("volumes", c.Volumes...)
		add("labels", pairs(c.Labels)...)
		add("stop signal", c.StopSignal)
	}
	if pl.ArtifactType != "" {
		add("annotations", pairs(pl.Annotations)...)
	}
	if len(rows) > 0 {
		p.Line("")
		p.Table(rows)
	}
}

// words writes a command line as JSON, as Dockerfiles have it. No command line is the empty string.
func words(all []string) string {
	if len(all) == 0 {
		return ""
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(all) // strings can always be encoded
	return strings.TrimSuffix(b.String(), "\n")
}

func pairs(m map[string]string) []string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, k+"="+m[k])
	}
	return all
}

func (p *Printer) layers(im *inspect.Image, pl *inspect.Platform) {
	rows := [][]string{{"LAYER", sizeTitle(im), "DIGEST", "DIFF ID", "TYPE"}}
	sum := int64(0)
	for i, l := range pl.Layers {
		sum = verify.AddSize(sum, l.Size)
		rows = append(rows, []string{
			fmt.Sprintf("%5d", i+1), alignSize(l.Size), short(l.Digest), short(l.DiffID), layerType(l),
		})
	}
	p.Line("")
	p.Table(rows)
	total := "total  " + alignSize(pl.LayerBytes)
	if sum != pl.LayerBytes {
		total += "  a layer that comes again is counted once"
	}
	p.Line("%s", total)
	p.patches(pl)
}

// layerType is the short name of a layer's media type: gzip, zstd or tar. Of artifacts it is the whole type.
func layerType(l inspect.Layer) string {
	absent := ""
	switch {
	case l.Patch != nil:
		absent = " (patch)"
	case l.Absent:
		absent = " (not inside)"
	}
	t := image.ParseLayerType(l.MediaType)
	if !t.Tar || !strings.Contains(l.MediaType, ".image.") {
		return terminal.Escape(l.MediaType, 80) + absent
	}
	kind := terminal.Escape(cmp.Or(t.Compression, "tar"), 40)
	if t.Encrypted {
		kind += " (encrypted)"
	}
	if t.Foreign {
		kind += " (foreign)"
	}
	return kind + absent
}

func (p *Printer) dockerID(pl *inspect.Platform) {
	if pl.DockerID == nil {
		return
	}
	containerd := short(pl.DockerID.Containerd)
	if pl.DockerID.Containerd == "" {
		containerd = "another ID, made when it is loaded,"
	}
	p.Line("")
	p.ids(short(pl.DockerID.GraphDriver), containerd)
}

// ids says what docker images shows.
func (p *Printer) ids(graphDriver, containerd string) {
	p.Line("docker images will show as ID %s on the graph-driver store,\nand %s on the containerd store",
		graphDriver, containerd)
}

func (p *Printer) referrers(im *inspect.Image) {
	if len(im.Referrers) == 0 {
		return
	}
	rows := [][]string{{"REFERRER", "OF", "WHAT"}}
	for _, r := range im.Referrers {
		what := r.ArtifactType
		if r.Tag != "" {
			what = "tag " + r.Tag
		}
		rows = append(rows, []string{short(r.Digest), short(r.Subject), terminal.Escape(what, 100)})
	}
	p.Line("")
	p.Table(rows)
}

func (p *Printer) Quota(q *inspect.Quota) {
	text := fmt.Sprintf("pull quota: %d of %d left", q.Remaining, q.Limit)
	if q.WindowSeconds > 0 {
		text += ", granted per " + window(time.Duration(q.WindowSeconds)*time.Second)
	}
	if q.Source != "" {
		text += ", counted for " + q.Source
	}
	p.Line("")
	p.Line("%s", text)
}

// window writes a whole number of hours or minutes short.
func window(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return strconv.Itoa(int(d/time.Hour)) + " h"
	case d%time.Minute == 0:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	}
	return d.String()
}

// short is a digest as docker images shows it.
func short(d digest.Digest) string {
	if d == "" {
		return "-"
	}
	return d.Encoded()[:12]
}

func alignSize(n int64) string { return fmt.Sprintf("%10s", terminal.Size(n)) }
