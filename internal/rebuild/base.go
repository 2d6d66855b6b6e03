package rebuild

import (
	"context"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/limits"
	"drayage/internal/spool"
	"drayage/internal/unpack"
	"drayage/internal/verify"
)

// base is a layer that patches need.
type base struct {
	image.Base
	file kept // what it unpacks to

	asking gate // the finder
	asked  bool
	found  v1.Descriptor // as it is read
	source image.Source  // nil: no finder knows it
	layer  *layer        // it is rebuilt itself; or nil
}

// base returns what is known of a base, for all layers that need it.
func (s *Source) base(b image.Base) *base {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.bases[b.DiffID]
	if known == nil {
		known = &base{Base: b}
		s.bases[b.DiffID] = known
	}
	return known
}

// locate finds out where a base is.
func (s *Source) locate(ctx context.Context, b *base) error {
	if err := b.asking.enter(ctx); err != nil {
		return err
	}
	defer b.asking.leave()
	if b.asked {
		return nil
	}
	d, src, err := s.finder.Find(ctx, b.Base)
	if err != nil {
		return fmt.Errorf("base %s: %w", b.Digest, err)
	}
	if b.found, b.source = d, src; src == nil {
		b.layer = s.twin(b.Base)
	}
	b.asked = true
	return nil
}

// twin is a layer that is rebuilt and unpacks to what a base unpacks to, or nil.
func (s *Source) twin(b image.Base) *layer {
	if l := s.layers[b.Digest]; l != nil && l.DiffID == b.DiffID {
		return l
	}
	return s.byDiffID[b.DiffID]
}

// lacks lists the bases of a layer that are nowhere. path has the layers that wait for this one: a base among
// them would need itself.
func (s *Source) lacks(ctx context.Context, l *layer, path ...*layer) ([]image.Base, error) {
	if lost := l.lost.Load(); lost != nil {
		return *lost, nil
	}
	path = append(path, l)
	if len(path) > limits.PatchChain {
		return nil, verify.Mismatchf("%s: more than %d patches need each other", path[0].Descriptor.Digest,
			limits.PatchChain)
	}
	lost := []image.Base{}
	for _, b := range l.Rebuilt.Bases {
		known := s.base(b)
		if err := s.locate(ctx, known); err != nil {
			return nil, err
		}
		there, err := s.there(ctx, known, path)
		if err != nil {
			return nil, err
		}
		if !there {
			lost = append(lost, b)
		}
	}
	l.lost.Store(&lost)
	return lost, nil
}

func (s *Source) there(ctx context.Context, b *base, path []*layer) (bool, error) {
	if b.layer == nil {
		return b.source != nil, nil
	}
	for _, l := range path {
		if l == b.layer {
			return false, nil
		}
	}
	lost, err := s.lacks(ctx, b.layer, path...)
	return err == nil && len(lost) == 0, err
}

// unpacked returns what a base unpacks to, in a file that all layers share.
func (s *Source) unpacked(ctx context.Context, b *base) (f *os.File, release func(), err error) {
	f, release, err = b.file.use(ctx, func() (*os.File, error) {
		return s.roomy(func() (*os.File, error) { return s.unpack(ctx, b) })
	})
	if err != nil {
		err = fmt.Errorf("base %s: %w", b.Digest, err)
	}
	return f, release, err
}

// unpack unpacks a base into a file, and compares it with its diff ID.
func (s *Source) unpack(ctx context.Context, b *base) (*os.File, error) {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	r, atLeast, err := s.plain(reading, b)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	content := newAhead(r)
	defer content.Close()
	defer stop()
	sum := &sum{r: content, hash: b.DiffID.Algorithm().Hash()}
	f, err := spool.Copy(ctx, s.temp, sum, atLeast)
	if err != nil {
		return nil, err
	}
	if err := sum.check(b.DiffID); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// plain is the stream of what a base unpacks to. It has at least atLeast bytes, if the base is right.
func (s *Source) plain(ctx context.Context, b *base) (r io.ReadCloser, atLeast int64, err error) {
	if b.layer != nil {
		r, err = s.content(ctx, b.layer)
		return r, b.layer.Rebuilt.Unpacked, err
	}
	blob := image.NewReader(ctx, b.source, b.found)
	u, err := unpack.NewReader(ctx, blob, nil)
	if err != nil {
		blob.Close()
		return nil, 0, err
	}
	return &stored{u, blob}, 0, nil
}

// stored is what a stored base unpacks to. Its end is that of the blob, which has been verified then.
type stored struct {
	*unpack.Reader
	blob io.ReadCloser
}

func (s *stored) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == io.EOF {
		if rest := s.Rest(); rest != nil {
			err = rest
		}
	}
	return n, err
}

func (s *stored) Close() error {
	s.Reader.Close()
	return s.blob.Close()
}

// sum hashes what is read, and cuts off what is too long.
type sum struct {
	r    io.Reader
	hash hash.Hash
	n    int64
}

func (s *sum) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.hash.Write(p[:n])
	if s.n += int64(n); s.n > limits.PatchUnpacked {
		most := int64(limits.PatchUnpacked)
		return n, verify.Mismatchf("it unpacks to more than the %d bytes that are accepted", most)
	}
	return n, err
}

func (s *sum) check(want digest.Digest) error {
	if got := digest.NewDigest(want.Algorithm(), s.hash); got != want {
		return verify.Mismatchf("it unpacks to %s, and the patch needs %s", got, want)
	}
	return nil
}
