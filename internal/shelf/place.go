package shelf

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"

	"drayage/image"
	"drayage/internal/source"
	"drayage/serve"
)

// place is a SOURCE that has been opened, or one of the archives in a folder.
type place struct {
	path    string
	state   state
	copied  bool // what is read is a copy
	shelves []serve.Shelf
	lacks   []lack
	blobs   image.Source // of the layout; nil: there is none
	remarks []string

	set   *source.Set
	users atomic.Int32
}

// lack is what was left out of an image on purpose.
type lack struct {
	label  string
	absent []image.Absent
}

// leave is called by each user once. The last one closes the place.
func (p *place) leave() {
	if p.users.Add(-1) == 0 {
		p.set.Close()
	}
}

// add opens a SOURCE that is no folder.
func (o *opener) add(spec source.Spec) error {
	p := o.kept(spec)
	if p == nil {
		var err error
		if p, err = o.newPlace(spec); err != nil {
			return err
		}
	}
	o.enter(p)
	return nil
}

func (o *opener) enter(p *place) {
	p.users.Add(1)
	o.shelves.places = append(o.shelves.places, p)
	o.shelves.Shelves = append(o.shelves.Shelves, p.shelves...)
}

// goOn serves an archive as it was before, if what has replaced it cannot be opened, or not yet.
func (o *opener) goOn(spec source.Spec) {
	if o.Before == nil {
		return
	}
	for _, p := range o.Before.places {
		if p.path == spec.Text {
			o.enter(p)
			return
		}
	}
}

// kept is the place that was opened before, if that took a copy which is still of use.
func (o *opener) kept(spec source.Spec) *place {
	if o.Before == nil {
		return nil
	}
	for _, p := range o.Before.places {
		if p.copied && p.path == spec.Text && p.state.equal(o.stateOf(spec)) {
			return p
		}
	}
	return nil
}

func (o *opener) newPlace(spec source.Spec) (*place, error) {
	p := &place{path: spec.Text, state: o.stateOf(spec)}
	opts := o.Source
	opts.Referrers = spec.Name == ""
	note := opts.Note
	opts.Note = func(text string) { p.copied = true; note(text) }
	set, err := spec.Open(o.ctx, opts)
	if err != nil {
		return nil, err
	}
	p.set = set
	if err = p.faults(); err == nil {
		err = p.take(o.ctx, o.Packed)
	}
	if err != nil {
		set.Close()
		return nil, err
	}
	return p, nil
}

// faults refuses an archive that is not whole: it may be a copy that has not ended. The images of a layout
// that are not whole are served as far as they go.
func (p *place) faults() error {
	if p.set.Archive != nil {
		return p.set.Fault()
	}
	for _, im := range p.set.Images {
		if im.Fault != nil {
			p.remarks = append(p.remarks, fmt.Sprintf("%s is not whole: %v", im.Label, im.Fault))
		}
	}
	return nil
}

// take makes shelves of the images of the set.
func (p *place) take(ctx context.Context, packed *Packing) error {
	p.remark()
	stored, err := p.stored(ctx)
	if err != nil {
		return err
	}
	saved, err := p.saved(ctx, packed)
	if err != nil {
		return err
	}
	for _, s := range []*serve.Shelf{stored, saved} {
		if s != nil {
			s.Name, s.Repository = p.path, repositoryOf(p.path)
			p.shelves = append(p.shelves, *s)
		}
	}
	p.set.Forget()
	return nil
}

// remark keeps what people should know of the images.
func (p *place) remark() {
	if p.set.Unchecked != "" {
		p.remarks = append(p.remarks, p.set.Unchecked+" is there, and nobody has checked it: --key PUB does")
	}
	for _, r := range p.set.Remarks {
		about := p.path
		if r.Image != nil {
			about = r.Image.Label
		}
		p.remarks = append(p.remarks, about+": "+r.Text)
	}
}

// repositoryOf is the repository of images that have no name: that of the file.
func repositoryOf(path string) string {
	name := strings.ToLower(filepath.Base(path))
	for _, end := range []string{".set", ".gz", ".zst", ".xz", ".bz2", ".tar", ".tgz"} {
		name = strings.TrimSuffix(name, end)
	}
	return strings.Trim(notName.ReplaceAllString(name, "-"), "-._")
}

// notName matches what the name of a repository may not have.
var notName = regexp.MustCompile(`[^a-z0-9]*[^a-z0-9._-][^a-z0-9]*|[._-]{2,}`)
