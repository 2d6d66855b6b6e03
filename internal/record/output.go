package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"drayage/internal/durable"
	"drayage/internal/source"
	"drayage/internal/usage"
)

// Output is a record that is being made: a page and the same as JSON, side by side. The files appear with
// Commit. A nil Output is none: its methods do nothing.
type Output struct {
	page, json *durable.Output
	paths      []string
}

// Create begins the files of a record of what is at path, or goes there. The name of one of the files is
// given, which ends in .html or .json. The caller ends the output with Commit or Abort. An empty name is no
// record.
func Create(name, path string) (*Output, error) {
	if name == "" {
		return nil, nil
	}
	end := filepath.Ext(name)
	if end != ".html" && end != ".json" || name == end {
		return nil, usage.Errorf("--record %s: the name of a record ends in .html or .json; "+
			"both files are written", name)
	}
	stem := name[:len(name)-len(end)]
	o := &Output{paths: []string{stem + ".html", stem + ".json"}}
	err := o.beside(path)
	if err != nil {
		return nil, err
	}
	if o.page, err = durable.CreateOutput(o.paths[0]); err != nil {
		return nil, fmt.Errorf("--record: %w", err)
	}
	if o.json, err = durable.CreateOutput(o.paths[1]); err != nil {
		o.page.Abort()
		return nil, fmt.Errorf("--record: %w", err)
	}
	return o, nil
}

// Paths are the files: first the page, then the JSON.
func (o *Output) Paths() []string {
	if o == nil {
		return nil
	}
	return o.paths
}

// beside fails if the record cannot be where it would be, because the images are at path: it would be the
// same file, or one of the files of the layout that it lists.
func (o *Output) beside(path string) error {
	if path == "" || path == "-" {
		return nil
	}
	target, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	there, _ := os.Stat(target)
	for _, p := range o.paths {
		at, err := filepath.Abs(p)
		if err != nil {
			return err
		}
		if at == target {
			return usage.Errorf("--record %s: that is where the images are: give the record another name", p)
		}
		for dir := filepath.Dir(at); there != nil && there.IsDir(); dir = filepath.Dir(dir) {
			if fi, err := os.Stat(dir); err == nil && os.SameFile(fi, there) || dir == target {
				return usage.Errorf("--record %s: that is inside the layout that the record lists: "+
					"put the record elsewhere", p)
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return nil
}

// Check refuses a SOURCE that a record cannot be of. platforms are those that are chosen.
func Check(spec source.Spec, platforms []string) error {
	switch {
	case spec.Kind == source.Registry:
		return usage.Errorf("--record is of an archive or a layout, and %q is in a registry: "+
			"save it with --record", spec.Text)
	case spec.Name != "" || len(platforms) > 0:
		return usage.Errorf("--record is of a whole archive or layout: name no image, and give no --platform")
	}
	return nil
}

// Options are those with which a set for a record is opened.
func Options(opts source.Options) source.Options {
	opts.Look, opts.Referrers, opts.Sum, opts.Tolerant = true, true, true, false
	return opts
}

// Of makes the record of what a set holds, which was opened with [Options]. Its files are read whole.
func Of(ctx context.Context, set *source.Set) (*Document, error) {
	files, err := Files(ctx, set)
	if err != nil {
		return nil, err
	}
	return Build(ctx, set, files)
}

// Fill writes the record of what a set holds. The set was opened with [Options].
func (o *Output) Fill(ctx context.Context, set *source.Set) error {
	if o == nil {
		return nil
	}
	doc, err := Of(ctx, set)
	if err == nil {
		err = errors.Join(WritePage(o.page, doc), Write(o.json, doc))
	}
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// FillFrom writes the record of an archive in a file that has no name yet: name is what it is going to be.
func (o *Output) FillFrom(ctx context.Context, f *os.File, name string, opts source.Options) error {
	if o == nil {
		return nil
	}
	return o.fillFrom(ctx, func() (*source.Set, error) { return source.OpenFile(ctx, f, name, Options(opts)) })
}

// FillAt writes the record of an archive of size bytes as FillFrom does: in several files, for example.
func (o *Output) FillAt(
	ctx context.Context, at io.ReaderAt, size int64, name string, opts source.Options,
) error {
	if o == nil {
		return nil
	}
	return o.fillFrom(ctx, func() (*source.Set, error) {
		return source.OpenAt(ctx, at, size, name, Options(opts))
	})
}

func (o *Output) fillFrom(ctx context.Context, open func() (*source.Set, error)) error {
	set, err := open()
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	defer set.Close()
	return o.Fill(ctx, set)
}

// Follow calls write, and makes the record of the archive that it writes to w meanwhile: a stream cannot be
// read again. Name is what the record calls it. If no record can be made, the stream goes on to its end
// nevertheless.
func (o *Output) Follow(
	ctx context.Context, w io.Writer, name string, opts source.Options, write func(io.Writer) error,
) error {
	if o == nil {
		return write(w)
	}
	r, tee := io.Pipe()
	filled := make(chan error)
	go func() {
		err := o.follow(ctx, r, name, opts)
		_, rest := io.Copy(io.Discard, r)
		filled <- errors.Join(err, rest)
	}()
	err := write(io.MultiWriter(w, tee))
	tee.CloseWithError(err)
	if recorded := <-filled; err == nil {
		err = recorded
	}
	return err
}

func (o *Output) follow(ctx context.Context, r io.Reader, name string, opts source.Options) error {
	set, err := source.OpenStream(ctx, r, name, Options(opts))
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	defer set.Close()
	return o.Fill(ctx, set)
}

// OfLayout makes the record of a layout and commits it.
func (o *Output) OfLayout(ctx context.Context, dir string, opts source.Options) error {
	if o == nil {
		return nil
	}
	set, err := source.Spec{Text: dir, Kind: source.Layout, Path: dir}.Open(ctx, Options(opts))
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	defer set.Close()
	if err := o.Fill(ctx, set); err != nil {
		return err
	}
	return o.Commit()
}

// Commit gives the files their names.
func (o *Output) Commit() error {
	if o == nil {
		return nil
	}
	if err := o.page.Commit(); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if err := o.json.Commit(); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// Abort removes what has been written. After Commit it does nothing.
func (o *Output) Abort() {
	if o != nil {
		o.page.Abort()
		o.json.Abort()
	}
}
