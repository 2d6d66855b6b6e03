package workplace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/natural"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/layout"
)

// Listed is a list of the images of a layout. Errs are by image of its document: why one is not all there.
type Listed struct {
	*Result
	Errs []error
}

// List shows what the images of a layout directory are and take. They come in the order of the set unless
// they are to be sorted. Lines have width characters where that is possible; 0 means as many as usual.
func List(ctx context.Context, set *source.Set, sorted bool, width int) (*Listed, error) {
	d, err := layout.OpenDir(set.Spec.Path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	use, err := d.Usage(ctx)
	if err != nil {
		return nil, err
	}
	l := &lister{set: set, shares: map[shareKey]*layout.Share{}, known: map[digest.Digest]*described{}}
	for i := range use.Shares {
		s := &use.Shares[i]
		l.shares[shareKey{cmp.Or(s.Label(), s.Descriptor.Digest.String()), s.Descriptor.Digest}] = s
	}
	images := slices.Clone(set.Images)
	if sorted {
		sortByLabel(images)
	}
	out := &Listed{Result: &Result{Document: report.Document{Images: []report.Image{}}}}
	for _, im := range images {
		one, err := l.one(ctx, im)
		if errors.Is(err, image.ErrTooMany) || ctx.Err() != nil {
			return nil, err
		}
		out.Document.Images, out.Errs = append(out.Document.Images, one), append(out.Errs, err)
	}
	out.Document.Stored = &report.Blobs{BlobCount: use.Blobs, SizeBytes: use.Bytes}
	if use.Damaged == nil {
		out.Document.Unreferenced = &report.Blobs{BlobCount: use.Unreferenced, SizeBytes: use.UnreferencedBytes}
	}
	out.Lines = table(out.Document.Images, out.Errs, cmp.Or(width, tableWidth))
	if set.Spec.Name == "" {
		out.Lines = append(out.Lines, total(set.Spec.Path, &out.Document, use)...)
	}
	return out, nil
}

func sortByLabel(images []*source.Image) {
	labels, rank := make([]string, len(images)), map[string]int{}
	for i, im := range images {
		labels[i] = im.Label
	}
	natural.Sort(labels)
	for i, l := range labels {
		rank[l] = i
	}
	slices.SortStableFunc(images, func(a, b *source.Image) int { return rank[a.Label] - rank[b.Label] })
}

// lister describes images.
type lister struct {
	set    *source.Set
	shares map[shareKey]*layout.Share
	known  map[digest.Digest]*described // one image may have very many names
}

type shareKey struct {
	label  string
	digest digest.Digest
}

// described is for what platforms an image is.
type described struct {
	platforms []v1.Platform
	artifact  string // the type of what is no image
	err       error
}

// one describes one image. Beside an error it returns what is known.
func (l *lister) one(ctx context.Context, im *source.Image) (report.Image, error) {
	shown := report.Image{Name: im.Label, OK: true}
	shown.Names, shown.Digest = im.Names, im.Digest()
	share := l.shares[shareKey{im.Label, im.Digest()}]
	if share != nil {
		shown.MediaType = share.Descriptor.MediaType
		if share.Held != layout.Unknown {
			shown.Blobs = &share.Held
		}
		if share.Frees != layout.Unknown {
			shown.Frees = &share.Frees
		}
		if share.Err != nil {
			return shown, share.Err
		}
	}
	d := l.known[im.Digest()]
	if d == nil {
		d = l.describe(ctx, im)
		l.known[im.Digest()] = d
	}
	shown.Platforms, shown.ArtifactType = report.Platforms(d.platforms), d.artifact
	return shown, cmp.Or(d.err, l.set.Take(len(d.platforms)))
}

// describe finds out for what platforms an image is: those that are here.
func (l *lister) describe(ctx context.Context, im *source.Image) *described {
	o, err := im.Outline(ctx)
	if err != nil {
		return &described{err: err}
	}
	leaves, err := o.Told(ctx)
	if err == nil {
		err = l.set.Take(len(leaves))
	}
	d := &described{err: err}
	for _, leaf := range leaves {
		_, err := l.set.Layout.Stat(leaf.Descriptor.Digest)
		if leaf.Platform.OS != "" && !leaf.IsAttestation() && !errors.Is(err, fs.ErrNotExist) {
			d.platforms = append(d.platforms, leaf.Platform)
		}
	}
	if err == nil && !o.IsIndex() && leaves[0].Platform.OS == "" && !leaves[0].Image {
		d.artifact = o.Root.Document.About()
	}
	return d
}

// The table has lines of so many characters in a wide terminal, but for names that are longer.
const (
	tableWidth   = 80
	narrow       = 70 // up to this width there is no room for digests
	platformRoom = 20
	digestCell   = "  %-12s"
	rest         = "  %-*s  %9s  %9s"
)

// table shows images in a table. A name that is too long stands on a line of its own.
func table(images []report.Image, errs []error, width int) (lines []string) {
	names, platforms := len("NAME"), len("PLATFORMS")
	for i := range images {
		platforms = max(platforms, len(platformCell(&images[i], errs[i])))
	}
	if width <= narrow {
		platforms = min(platforms, max(width-names-len(fmt.Sprintf(rest, 0, "", "", "")), len("PLATFORMS")))
	}
	behind := func(id, platform, size, frees string) string {
		cells := fmt.Sprintf(rest, platforms, cut(platform, platforms), size, frees)
		if width > narrow {
			return fmt.Sprintf(digestCell, id) + cells
		}
		return cells
	}
	room := min(width, tableWidth) - len(behind("", "", "", ""))
	for _, im := range images {
		if n := len(terminal.Line(im.Name)); n <= room {
			names = max(names, n)
		}
	}
	row := func(name, behind string) {
		if len(name) > names {
			lines = append(lines, name)
			name = ""
		}
		lines = append(lines, fmt.Sprintf("%-*s", names, name)+behind)
	}
	row("NAME", behind("DIGEST", "PLATFORMS", "SIZE", "FREES"))
	for i, im := range images {
		row(terminal.Line(im.Name), behind(im.Digest.Encoded()[:12], platformCell(&im, errs[i]), size(im.Blobs),
			size(im.Frees)))
	}
	return lines
}

func size(n *int64) string {
	if n == nil {
		return "-"
	}
	return terminal.Size(*n)
}

// platformCell is what the table says of platforms: as many as there is room for.
func platformCell(im *report.Image, err error) string {
	var all []string
	for _, p := range im.Platforms {
		all = append(all, terminal.Line(p.Platform))
	}
	text := strings.Join(all, ", ")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "is not here"
	case err != nil:
		return "is damaged"
	case im.ArtifactType != "":
		return "no image"
	case len(all) == 0:
		return "-"
	case len(text) <= platformRoom:
		return text
	}
	first := all[0]
	if len(all) == 1 {
		return cut(first, platformRoom)
	}
	more := fmt.Sprintf(" +%d", len(all)-1)
	return cut(first, platformRoom-len(more)) + more
}

func cut(s string, room int) string {
	if len(s) <= room {
		return s
	}
	return strings.ToValidUTF8(s[:room-2], "") + ".."
}

// total is what the whole layout takes.
func total(dir string, doc *report.Document, use *layout.Usage) []string {
	digests := map[digest.Digest]bool{}
	for _, im := range doc.Images {
		digests[im.Digest] = true
	}
	line := terminal.Count(len(digests), "image")
	if n := len(doc.Images); n > len(digests) {
		line += " under " + terminal.Count(n, "name")
	}
	line += fmt.Sprintf(", %s in %s", terminal.Size(use.Bytes), terminal.Count(use.Blobs, "blob"))
	lines := []string{"", line}
	word := terminal.ShellWord(dir)
	switch {
	case use.Damaged != nil:
		lines = append(lines, "What rm and gc would free cannot be told while a manifest is damaged:",
			"drayage verify --repair "+word+" removes it, fetching the image again heals it")
	case use.Unreferenced > 0:
		lines = append(lines, fmt.Sprintf("%s of these in %s belong to no image: drayage gc %s frees them",
			terminal.Size(use.UnreferencedBytes), terminal.Count(use.Unreferenced, "blob"), word))
	}
	return lines
}
