package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"drayage/dockerarchive"
	"drayage/internal/compression"
	"drayage/internal/spool"
	"drayage/layout"
	"drayage/registry"
)

// Options say how a SOURCE is opened.
type Options struct {
	// Client makes the client for an image in a registry. The caller closes the client after the set.
	Client func(registry.Reference) (*registry.Client, error)

	Stdin   *os.File
	TempDir string // for an archive that has to be copied

	// Volumes are further folders in which the volumes of an archive are looked for.
	Volumes []string
	// Partial opens an archive in volumes even if some are missing or damaged. Set.Images are those that are
	// described in what is there, and [Set.Gap] says what could not be read.
	Partial bool
	// Trust is asked about the bytes of a set file before anything of them is parsed: what the set file does
	// not vouch for is not read then. If it returns an error, nothing is opened. A SOURCE without a set file
	// is not opened either. If Trust is nil, nobody has asked for a signature.
	Trust func(setFile string, set []byte) error

	// Note is told, before it happens, that an archive is copied to TempDir, and why.
	Note func(text string)
	// Why is the reason for a copy: what the caller does with an archive goes back and forth in it.
	Why string

	// Look asks for nothing but what describes the images. An archive is seldom copied then, but the layers
	// may not be readable.
	Look bool
	// Tolerant goes on after a part of an archive that is missing or damaged, and enters it in the images.
	Tolerant bool
	// Thin takes a docker tar from which layers were left out as it is. Without it, such a tar is an error.
	Thin bool
	// Names asks for names alone: nothing is remarked of images in a layout that are not whole.
	Names bool
	// Blobs asks for Set.Layout, whatever images it holds. Set.Images is left empty.
	Blobs bool
	// Referrers adds the referrers of images as images of their own, if SOURCE means all images.
	Referrers bool
	// Sum prepares for [Set.Sum]: a stream is hashed while it is read.
	Sum bool

	// OnePass lets an archive that is a stream be read in one pass: Set.Pass then brings the blobs in their
	// order. Open asks OnePass whether that will do for the set. If it returns a reason why not, Open copies
	// the archive and reads it anew. If OnePass is nil, Open always copies.
	OnePass func(context.Context, *Set) (why, err error)
}

// Open opens what a SOURCE means. It asks a registry nothing yet. The caller closes the set.
func (s Spec) Open(ctx context.Context, opts Options) (*Set, error) {
	set := &Set{Spec: s}
	if err := set.open(ctx, opts); err != nil {
		set.Close()
		if s.Kind == Archive && !set.bySet && ctx.Err() == nil {
			err = explainDivided(s.Path, err)
		}
		return nil, err
	}
	set.noteOthers(opts)
	return set, nil
}

func (s *Set) open(ctx context.Context, opts Options) error {
	if s.Spec.Kind == Archive {
		if file, err := s.setFile(opts); err != nil || file != "" {
			return s.openSet(ctx, file, err, opts)
		}
	}
	if opts.Trust != nil && s.Spec.Kind != Layout {
		return s.unsigned()
	}
	switch s.Spec.Kind {
	case Registry:
		ref := s.Spec.Ref
		client, err := opts.Client(ref)
		if err != nil {
			return err
		}
		name := ref.String()
		s.Images = []*Image{{Label: name, Names: []string{name}, Repo: client.Repository(ref), Ref: ref}}
		return nil
	case Layout:
		dir, err := layout.OpenDir(s.Spec.Path)
		if err != nil {
			return s.openFolder(ctx, err, opts)
		}
		s.closes = append(s.closes, dir.Close)
		if opts.Trust != nil {
			return s.unsigned()
		}
		if opts.Blobs {
			s.Layout = dir.Layout
			return nil
		}
		contents, err := dockerarchive.OfLayout(ctx, dir.Layout, opts.Tolerant || opts.Names)
		if err != nil {
			return err
		}
		return s.take(contents, opts)
	}
	var err error
	if s.in, err = s.input(opts.Stdin); err != nil {
		return err
	}
	return s.openArchive(ctx, s.in, opts)
}

func (s *Set) input(stdin *os.File) (*input, error) {
	if s.Spec.Kind == Stdin {
		return fromFile(stdin, "standard input")
	}
	f, err := os.Open(s.Spec.Path)
	if err != nil {
		return nil, missing(s.Spec.Path, err)
	}
	s.closes = append(s.closes, f.Close)
	return fromFile(f, s.Spec.Path)
}

// openArchive reads a plain tar where it is, and others by way of memory or a temporary file.
func (s *Set) openArchive(ctx context.Context, in *input, opts Options) error {
	if opts.Sum && in.stream != nil {
		in.stream = newSumming(in.stream)
	}
	if in.inPlace() {
		return s.readAt(ctx, in.at, in.size, opts)
	}
	if opts.Look {
		return s.scan(ctx, in, opts)
	}
	plain, err := s.plain(ctx, in)
	if err != nil {
		return err
	}
	pass, err := dockerarchive.NewPass(ctx, plain)
	if err != nil {
		return err
	}
	if r := pass.Whole(); r != nil {
		return s.read(ctx, r, opts)
	}
	why := errors.New(opts.Why)
	if opts.OnePass != nil {
		if why, err = s.onePass(ctx, pass, opts); err != nil || why == nil {
			return err
		}
	}
	return s.copy(ctx, in, pass.Rest(), why, opts)
}

// plain returns the uncompressed tar of an input from its beginning.
func (s *Set) plain(ctx context.Context, in *input) (io.Reader, error) {
	stream := in.stream
	if in.at != nil {
		stream = io.NewSectionReader(in.at, 0, in.size)
	}
	r, kind, err := compression.NewReader(ctx, stream, nil)
	if err != nil {
		return nil, streamError(kind, err)
	}
	in.kind = kind
	s.closes = append(s.closes, r.Close)
	return &plainReader{r, kind}, nil
}

// readAt takes the images of a tar that can be read at any place.
func (s *Set) readAt(ctx context.Context, at io.ReaderAt, size int64, opts Options) error {
	if opts.Partial && s.Volumes != nil {
		return s.salvage(ctx, at, size, opts)
	}
	r, err := dockerarchive.NewReader(at, size)
	if err != nil {
		return err
	}
	return s.read(ctx, r, opts)
}

func (s *Set) read(ctx context.Context, r *dockerarchive.Reader, opts Options) error {
	s.Archive = r
	contents, err := contentsOf(ctx, r, opts.Tolerant)
	if errors.Is(err, dockerarchive.ErrLeftOut) && (opts.Thin || opts.Names) {
		contents, err = r.Survey(ctx)
	}
	if err != nil {
		return err
	}
	return s.take(contents, opts)
}

// contentsOf finds out what images an archive has.
func contentsOf(
	ctx context.Context, r *dockerarchive.Reader, tolerant bool,
) (*dockerarchive.Contents, error) {
	if !tolerant {
		return r.Contents(ctx)
	}
	contents, err := r.Survey(ctx)
	if err != nil && !errors.Is(err, dockerarchive.ErrNotImage) {
		err = errors.Join(err, registry.ErrIntegrity)
	}
	return contents, err
}

// scan goes over the archive once, without a temporary file unless more than its small files is needed.
func (s *Set) scan(ctx context.Context, in *input, opts Options) error {
	plain, err := s.plain(ctx, in)
	if err != nil {
		return err
	}
	r, err := dockerarchive.Scan(ctx, plain)
	if err != nil {
		return err
	}
	if in.at == nil || !lacks(ctx, r) {
		return s.read(ctx, r, opts)
	}
	if plain, err = s.plain(ctx, in); err != nil {
		return err
	}
	why := errors.New("what describes its images is large, or is to be told from its layers")
	return s.copy(ctx, in, plain, why, opts)
}

// lacks reports whether a part of the stream that describes the images has gone by. All other errors come
// again when the archive is read.
func lacks(ctx context.Context, r *dockerarchive.Reader) bool {
	contents, err := r.Contents(ctx)
	if err != nil {
		return errors.Is(err, dockerarchive.ErrGone)
	}
	for _, im := range contents.Saved {
		for _, l := range im.Layers {
			if _, err := l.Compression(); errors.Is(err, dockerarchive.ErrGone) { // of a sparse file
				return true
			}
		}
	}
	return false
}

// onePass takes the images that the beginning of a stream describes, or says why that is impossible.
func (s *Set) onePass(ctx context.Context, pass *dockerarchive.Pass, opts Options) (why, err error) {
	contents, err := pass.Plan(ctx)
	if err == nil {
		s.Pass = pass
		err = s.take(contents, opts)
	}
	if err == nil {
		why, err = opts.OnePass(ctx, s)
	}
	if errors.Is(err, dockerarchive.ErrOrder) || errors.Is(err, dockerarchive.ErrGone) {
		return err, nil
	}
	return why, err
}

// copy copies the archive into a temporary file and reads it there.
func (s *Set) copy(ctx context.Context, in *input, plain io.Reader, why error, opts Options) error {
	s.Pass = nil
	opts.Note(fmt.Sprintf("%s is copied to a temporary file in %s: %s", in, opts.TempDir, why))
	f, err := spool.Copy(ctx, opts.TempDir, plain, in.size)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, registry.ErrIntegrity):
		return err
	case err != nil:
		return fmt.Errorf("copy to a temporary file: %w", err)
	}
	s.closes = append(s.closes, f.Close)
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	return s.readAt(ctx, f, fi.Size(), opts)
}
