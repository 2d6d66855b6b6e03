package report

import (
	"cmp"
	"fmt"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/makepatch"
	"drayage/internal/terminal"
)

// Patch is what has become of a layer.
type Patch struct {
	Digest     digest.Digest   `json:"digest"`
	SizeBytes  int64           `json:"sizeBytes"`            // of the layer
	PatchBytes int64           `json:"patchBytes,omitempty"` // of the patch and the recipe
	Model      string          `json:"model,omitempty"`
	Content    bool            `json:"contentOnly,omitempty"`
	Bases      []digest.Digest `json:"bases,omitempty"` // the layers that it needs
	Whole      string          `json:"whole,omitempty"` // why it goes whole
	cause      string          // of a patch that made something else
}

// NewPatches is what has become of layers.
func NewPatches(outcomes []makepatch.Outcome) *Patches {
	all := &Patches{Bases: []Base{}}
	seen := map[digest.Digest]bool{}
	for _, o := range outcomes {
		p := Patch{Digest: o.Layer.Digest, SizeBytes: o.Layer.Size, Whole: string(o.Reason), cause: o.Cause}
		if o.Patch != nil {
			p.is(o.Patch.Rebuilt)
			for _, b := range o.Patch.Rebuilt.Bases {
				if !seen[b.Digest] {
					seen[b.Digest] = true
					all.Bases = append(all.Bases, Base{b.Digest, b.Size, b.DiffID})
				}
			}
			all.LayerCount++
			all.SizeBytes += p.SizeBytes
			all.PatchBytes += p.PatchBytes
		}
		all.Layers = append(all.Layers, p)
	}
	return all
}

// is says how a layer is rebuilt.
func (p *Patch) is(how *image.Rebuilt) {
	p.PatchBytes, p.Model, p.Content = how.Size(), how.Model, how.Content
	for _, b := range how.Bases {
		p.Bases = append(p.Bases, b.Digest)
	}
}

// shown is how many layers are named.
const shown = 10

// Lines says it to people: how much is saved, by which layers, and of each kind of layer that goes whole how
// many there are. mode is the value of --patch.
func (p *Patches) Lines(mode string) (lines []string) {
	if p.LayerCount > 0 {
		travel := "layer travels as a patch"
		if p.LayerCount > 1 {
			travel = "layers travel as patches"
		}
		lines = append(lines, fmt.Sprintf("%d %s: %s instead of %s", p.LayerCount, travel,
			terminal.Size(p.PatchBytes), terminal.Size(p.SizeBytes)))
	}
	n := 0
	for _, l := range p.Layers {
		if n++; l.Whole != "" || n > shown {
			continue
		}
		lines = append(lines, "  "+l.line())
	}
	return append(append(lines, p.lossy()...), p.whole(mode)...)
}

func (p *Patch) line() string {
	model := p.Model
	switch {
	case p.Content:
		model = "content only"
	case model == "":
		model = "uncompressed"
	}
	return fmt.Sprintf("%s  %s instead of %s, %s (%s)", short(p.Digest), terminal.Size(p.PatchBytes),
		terminal.Size(p.SizeBytes), terminal.Count(len(p.Bases), "base"), model)
}

// short is the beginning of a digest.
func short(d digest.Digest) string { return d.Encoded()[:12] }

func (p *Patches) lossy() []string {
	n := 0
	for _, l := range p.Layers {
		if l.Content {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return []string{fmt.Sprintf("warning: only the content of %s travels: layers and manifests get other "+
		"digests on the far side, and signatures will not hold", terminal.Count(n, "layer"))}
}

// why says of each reason what is the matter.
var why = []struct {
	reason makepatch.Reason
	text   string
}{
	{makepatch.NoBase, "no layer that the far side has was found here to make a patch against; " +
		"--base X names an archive, a layout or a repository that has older images under their names"},
	{makepatch.NoGain, "a patch would not be a fifth smaller"},
	{makepatch.Unknown, "gzip of an encoder that drayage does not know"},
	{makepatch.Failed, "the patch made other bytes when it was tried here; please report that"},
	{makepatch.Zstd, "zstd cannot be made again to the same bytes"},
	{makepatch.Chunked, "zstd:chunked, like all zstd, cannot be made again to the same bytes"},
	{makepatch.Stargz, "eStargz has each file in a gzip of its own, which drayage cannot make again here"},
	{makepatch.Encrypted, "encrypted"},
	{makepatch.Other, "damaged, or compressed in a way that patches cannot be made of"},
}

// whole says for each reason how many layers go whole.
func (p *Patches) whole(mode string) (lines []string) {
	for _, w := range why {
		n, bytes, cause := 0, int64(0), ""
		for _, l := range p.Layers {
			if l.Whole == string(w.reason) {
				n++
				bytes += l.SizeBytes
				cause = cmp.Or(cause, l.cause)
			}
		}
		if n == 0 {
			continue
		}
		verb, text := "go", w.text
		if n == 1 {
			verb = "goes"
		}
		if (w.reason == makepatch.Unknown || w.reason == makepatch.Stargz) && mode != "content" {
			text += "; --patch=content would keep the content, and lose the digest"
		}
		if cause != "" {
			text += ": " + cause
		}
		lines = append(lines, fmt.Sprintf("%s (%s) %s whole: %s", terminal.Count(n, "layer"), terminal.Size(bytes),
			verb, text))
	}
	return lines
}
