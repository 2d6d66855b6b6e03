package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"

	"drayage/inspect"
)

// How much of a text from an image is shown: labels may hold whole documents.
const (
	maxText = 200
	maxName = 512
)

// picture shows images to people, in lines of 80 characters where digests, names and texts allow it.
type picture struct {
	w        io.Writer
	detailed bool   // every platform in detail, not only a single one
	source   string // what the user asked about, if it is a single image
	err      error  // the first one; nothing is written after it
}

func (p *picture) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// table writes rows whose columns line up.
func (p *picture) table(rows [][]string) {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	t.Flush()
	for l := range strings.Lines(b.String()) {
		p.line("%s", strings.TrimRight(l, " \n"))
	}
}

func (p *picture) image(im *inspect.Image) {
	for _, n := range im.Names {
		p.line("%s", safe(n, maxName))
	}
	if len(im.Names) == 0 {
		p.line("(no name)")
	}
	if im.Kind == inspect.Index {
		p.line("index    %s", im.Digest)
	}
	if im.Kind == inspect.Index && !p.detailed && len(im.Platforms) != 1 {
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

// overview lists the platforms of an index.
func (p *picture) overview(im *inspect.Image) {
	holds := count(len(im.Platforms), "platform")
	if n := len(im.Attestations); n > 0 {
		holds += ", " + count(n, "attestation")
	}
	p.line("holds    %s", holds)
	p.line("size     %s compressed in %s", size(im.LayerBytes), count(im.Layers, "different layer"))
	p.line("")
	rows := [][]string{{"PLATFORM", "MANIFEST", "IMAGE ID", "COMPRESSED", "LAYERS"}}
	example := ""
	for _, pl := range im.Platforms {
		if pl.Missing {
			rows = append(rows, []string{platformLabel(pl), short(pl.Digest), "is not here"})
			continue
		}
		if example == "" {
			example = pl.Platform
		}
		rows = append(rows, []string{platformLabel(pl), short(pl.Digest), short(pl.ID), alignSize(pl.LayerBytes, 10), fmt.Sprintf("%6d", len(pl.Layers))})
	}
	p.table(rows)
	p.line("")
	p.line("docker images will show as ID")
	p.line("  the IMAGE ID    on the graph-driver store")
	p.line("  %s    on the containerd store", short(im.Digest))
	if example != "" && p.source != "" {
		p.line("one platform in detail: drayage inspect %s --platform %s", shellWord(p.source), safe(example, maxText))
	}
}

// count writes a number of things.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}

func platformLabel(pl inspect.Platform) string {
	label := pl.Platform
	if pl.OSVersion != "" {
		label += " " + pl.OSVersion
	}
	if label == "" {
		label = pl.ArtifactType
	}
	return safe(label, 40)
}

// platform shows one platform, or an artifact, in detail.
func (p *picture) platform(im *inspect.Image, pl *inspect.Platform) {
	if pl.Digest != "" {
		p.line("manifest %s", pl.Digest)
	}
	if pl.ID != "" {
		p.line("image ID %s", pl.ID)
	}
	if pl.ArtifactType != "" {
		p.line("artifact %s", safe(pl.ArtifactType, maxText))
	}
	if label := platformLabel(*pl); label != "" && pl.ArtifactType == "" {
		p.line("platform %s", label)
	}
	if pl.Missing {
		p.line("         is not here")
		return
	}
	p.settings(pl)
	p.layers(im, pl)
	p.dockerID(pl)
}

func (p *picture) settings(pl *inspect.Platform) {
	var rows [][]string
	add := func(name string, values ...string) {
		for _, v := range values {
			if v != "" {
				rows = append(rows, []string{name, safe(v, maxText)})
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

// words writes a command line as JSON, as Dockerfiles have it; empty if there is none.
func words(all []string) string {
	if len(all) == 0 {
		return ""
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(all) != nil {
		return fmt.Sprintf("%q", all)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func pairs(m map[string]string) []string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, k+"="+m[k])
	}
	return all
}

func (p *picture) layers(im *inspect.Image, pl *inspect.Platform) {
	stored := "COMPRESSED"
	if im.Kind == inspect.SavedTar {
		stored = "STORED"
	}
	rows := [][]string{{"LAYER", fmt.Sprintf("%10s", stored), "DIGEST", "DIFF ID", "TYPE"}}
	sum := int64(0)
	for i, l := range pl.Layers {
		sum += l.Size
		rows = append(rows, []string{fmt.Sprintf("%5d", i+1), alignSize(l.Size, 10), short(l.Digest), short(l.DiffID), layerType(l.MediaType)})
	}
	total := []string{"total", alignSize(pl.LayerBytes, 10)}
	if sum != pl.LayerBytes {
		total = append(total, "a layer that comes again is counted once")
	}
	p.line("")
	p.table(append(rows, total))
}

// layerType is the short name of a layer's media type: gzip, zstd or tar; of artifacts the whole type.
func layerType(mediaType string) string {
	if !strings.Contains(mediaType, ".image.") {
		return safe(mediaType, 80)
	}
	kind := "tar"
	for _, k := range []string{"gzip", "zstd", "bzip2", "xz"} {
		if strings.HasSuffix(mediaType, k) {
			kind = k
		}
	}
	if strings.Contains(mediaType, "foreign") || strings.Contains(mediaType, "nondistributable") {
		kind += " (foreign)"
	}
	return kind
}

func (p *picture) dockerID(pl *inspect.Platform) {
	if pl.DockerID == nil {
		return
	}
	p.line("")
	p.line("docker images will show as ID")
	p.line("  %s    on the graph-driver store", short(pl.DockerID.GraphDriver))
	if d := pl.DockerID.Containerd; d != "" {
		p.line("  %s    on the containerd store", short(d))
	} else {
		p.line("  another one     on the containerd store, which it makes when it loads the tar")
	}
}

func (p *picture) referrers(im *inspect.Image) {
	if len(im.Referrers) == 0 {
		return
	}
	rows := [][]string{{"REFERRER", "OF", "WHAT"}}
	for _, r := range im.Referrers {
		what := r.ArtifactType
		if r.Tag != "" {
			what = "tag " + r.Tag
		}
		rows = append(rows, []string{short(r.Digest), short(r.Subject), safe(what, 100)})
	}
	p.line("")
	p.table(rows)
}

func (p *picture) quota(q pullQuota) {
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

func alignSize(n int64, width int) string { return fmt.Sprintf("%*s", width, size(n)) }

// safe makes a text from elsewhere fit for a terminal: what is not printable is escaped, what is too long is cut.
func safe(s string, limit int) string {
	rest := ""
	if len(s) > limit {
		rest = fmt.Sprintf("... (%d bytes)", len(s))
		s = strings.ToValidUTF8(s[:limit], "")
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		s = strconv.Quote(s)
		s = s[1 : len(s)-1]
	}
	return s + rest
}
