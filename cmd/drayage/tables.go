package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/inspect"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/internal/verify"
)

// How much of a text from an image is shown: labels may hold whole documents.
const (
	maxText = 200
	maxName = 512
)

// tables shows images to people, in lines of 80 characters where digests, names and texts allow it.
type tables struct {
	w        io.Writer
	detailed bool  // every platform in detail, not only that of a single image
	several  bool  // there is more than one image
	err      error // the first one: nothing is written after it
}

func (p *tables) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, terminal.Sprintf(format, args...))
	}
}

// table writes rows whose columns line up. The first row has the most cells.
func (p *tables) table(rows [][]string) {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fill := max(len(rows[0])-len(r), 0) // a shorter row would end the alignment
		cells := make([]string, len(r))
		for i := range r {
			cells[i] = terminal.Line(r[i])
		}
		fmt.Fprintln(t, strings.Join(cells, "\t")+strings.Repeat("\t", fill))
	}
	t.Flush()
	for l := range strings.Lines(b.String()) {
		p.line("%s", strings.TrimRight(l, " \n"))
	}
}

func (p *tables) image(im *inspect.Image) {
	for _, n := range im.Names {
		p.line("%s", terminal.Escape(n, maxName))
	}
	switch {
	case len(im.Names) > 0:
	case im.Ref != "":
		p.line("%s (no name)", terminal.Escape(im.Ref, maxName))
	default:
		p.line("(no name)")
	}
	if im.Kind == inspect.Index {
		p.line("index    %s", im.Digest)
	}
	if !p.detailed && (p.several || len(im.Platforms) != 1) {
		p.overview(im)
	} else {
		for i := range im.Platforms {
			if i > 0 {
				p.line("")
			}
			p.platform(im, &im.Platforms[i])
		}
	}
	p.referrers(im)
}

// overview lists the platforms of an image.
func (p *tables) overview(im *inspect.Image) {
	if im.Kind == inspect.Index {
		p.line("holds    %s", holds(im))
		p.line("size     %s %s in %s",
			terminal.Size(im.LayerBytes), stored(im), terminal.Count(im.Layers, "different layer"))
		p.line("")
	}
	rows := [][]string{{"PLATFORM", "MANIFEST", "IMAGE ID", sizeTitle(im), "LAYERS"}}
	for _, pl := range im.Platforms {
		row := []string{platformLabel(pl), short(pl.Digest)}
		if pl.Missing {
			row = append(row, "is not here")
		} else {
			row = append(row, short(pl.ID), alignSize(pl.LayerBytes), fmt.Sprintf("%6d", len(pl.Layers)))
		}
		rows = append(rows, row)
	}
	p.table(rows)
}

// stored says what the sizes of layers are: those of a docker tar are mostly uncompressed.
func stored(im *inspect.Image) string {
	if im.Kind == inspect.SavedTar {
		return "stored"
	}
	return "compressed"
}

func sizeTitle(im *inspect.Image) string { return fmt.Sprintf("%10s", strings.ToUpper(stored(im))) }

// legend ends an overview: it says what the IDs are good for, and how to see more.
func (p *tables) legend(images []*inspect.Image, spec source.Spec) {
	first := images[0]
	containerd := "the index, or else the MANIFEST,"
	switch {
	case first.Kind == inspect.SavedTar:
		containerd = "another ID"
	case !p.several:
		containerd = short(first.Digest)
	}
	p.line("")
	if p.several {
		n, bytes := inspect.Total(images)
		p.line("%s, together %s %s in %s", terminal.Count(len(images), "image"), terminal.Size(bytes),
			stored(first), terminal.Count(n, "different layer"))
	}
	p.ids("the IMAGE ID", containerd)
	switch {
	case !p.several:
		if i := slices.IndexFunc(first.Platforms, isImage); i >= 0 {
			p.line("one platform in detail:\n  drayage inspect %s --platform %s",
				terminal.ShellWord(spec.Text), terminal.Escape(first.Platforms[i].Platform, maxText))
		}
	case spec.Path != "":
		p.line("one image in detail:\n  drayage inspect %s:%s:NAME",
			kindOf(spec, first.Kind == inspect.SavedTar), terminal.ShellWord(spec.Path))
	}
}

// platform shows one platform, or an artifact, in detail.
func (p *tables) platform(im *inspect.Image, pl *inspect.Platform) {
	kind, label := "platform", platformLabel(*pl)
	if pl.ArtifactType != "" {
		kind, label = "artifact", terminal.Escape(pl.ArtifactType, maxText)
	}
	for _, l := range [][2]string{{"manifest", string(pl.Digest)}, {"image ID", string(pl.ID)}, {kind, label}} {
		if l[1] != "" {
			p.line("%s %s", l[0], l[1])
		}
	}
	if pl.Missing {
		p.line("         is not here")
		return
	}
	if pl.Sealed != "" {
		p.line("sealed   %s", terminal.Escape(pl.Sealed, maxText))
	}
	p.settings(pl)
	p.layers(im, pl)
	p.dockerID(pl)
}

func (p *tables) settings(pl *inspect.Platform) {
	var rows [][]string
	add := func(name string, values ...string) {
		for _, v := range values {
			if v != "" {
				rows = append(rows, []string{name, terminal.Escape(v, maxText)})
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
		p.line("")
		p.table(rows)
	}
}

// words writes a command line as JSON, as Dockerfiles have it. No command line is the empty string.
func words(all []string) string {
	if len(all) == 0 {
		return ""
	}
	text, _ := encode(all, "") // strings can always be encoded
	return strings.TrimSuffix(text, "\n")
}

func pairs(m map[string]string) []string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, k+"="+m[k])
	}
	return all
}

func (p *tables) layers(im *inspect.Image, pl *inspect.Platform) {
	rows := [][]string{{"LAYER", sizeTitle(im), "DIGEST", "DIFF ID", "TYPE"}}
	sum := int64(0)
	for i, l := range pl.Layers {
		sum = verify.AddSize(sum, l.Size)
		rows = append(rows, []string{
			fmt.Sprintf("%5d", i+1), alignSize(l.Size), short(l.Digest), short(l.DiffID), layerType(l.MediaType),
		})
	}
	p.line("")
	p.table(rows)
	total := "total  " + alignSize(pl.LayerBytes)
	if sum != pl.LayerBytes {
		total += "  a layer that comes again is counted once"
	}
	p.line("%s", total)
}

// layerType is the short name of a layer's media type: gzip, zstd or tar. Of artifacts it is the whole type.
func layerType(mediaType string) string {
	t := image.ParseLayerType(mediaType)
	if !t.Tar || !strings.Contains(mediaType, ".image.") {
		return terminal.Escape(mediaType, 80)
	}
	kind := terminal.Escape(cmp.Or(t.Compression, "tar"), 40)
	if t.Encrypted {
		kind += " (encrypted)"
	}
	if t.Foreign {
		kind += " (foreign)"
	}
	return kind
}

func (p *tables) dockerID(pl *inspect.Platform) {
	if pl.DockerID == nil {
		return
	}
	containerd := short(pl.DockerID.Containerd)
	if pl.DockerID.Containerd == "" {
		containerd = "another ID, made when it is loaded,"
	}
	p.line("")
	p.ids(short(pl.DockerID.GraphDriver), containerd)
}

// ids says what docker images shows.
func (p *tables) ids(graphDriver, containerd string) {
	p.line("docker images will show as ID %s on the graph-driver store,\nand %s on the containerd store",
		graphDriver, containerd)
}

func (p *tables) referrers(im *inspect.Image) {
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
	p.line("")
	p.table(rows)
}

func (p *tables) quota(q *inspect.Quota) {
	text := fmt.Sprintf("pull quota: %d of %d left", q.Remaining, q.Limit)
	if q.WindowSeconds > 0 {
		text += ", granted per " + window(time.Duration(q.WindowSeconds)*time.Second)
	}
	if q.Source != "" {
		text += ", counted for " + q.Source
	}
	p.line("")
	p.line("%s", text)
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
