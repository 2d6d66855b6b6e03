package restore

import (
	"context"
	"runtime"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// Bounds of a search. A manifest has some kilobytes, so that it ends within half a minute.
const (
	maxHashed  = 8 << 30 // bytes of manifests that one search hashes
	maxForeign = 64      // combinations of blobs that were known beforehand
)

// Manifest builds manifests of an image until one has a wanted digest: first of blobs that the clues tell,
// then of what common encoders make, one encoder after the other. The layers of an image may have been
// compressed by two encoders: the first ones, as those of the base image, by one, and the others by another.
func (f *Finder) Manifest(ctx context.Context, im Image, clues Clues, wanted Wanted) (Manifest, bool, error) {
	s := &search{image: im, wanted: wanted.digests, styles: stylesOf(im.Config, len(im.Layers))}
	m, ok, err := f.manifest(ctx, s, clues)
	if ok {
		wanted.digests[m.Digest()].Used = true
	}
	return m, ok, err
}

func (f *Finder) manifest(ctx context.Context, s *search, clues Clues) (m Manifest, ok bool, err error) {
	s.fixed(clues)
	if m, ok := s.combine(nil); ok || len(s.open) == 0 {
		return m, ok, nil
	}
	encoders, at := withPlain(slices.DeleteFunc(f.ordered(), func(e *Encoder) bool { return e.Rare })), 1
	for len(encoders) > 0 {
		some := encoders[:min(at, len(encoders))]
		encoders, at = encoders[len(some):], runtime.GOMAXPROCS(0)
		if err := s.make(ctx, f, some); err != nil {
			return m, false, err
		}
		for _, e := range some {
			if m, ok := s.combine(e); ok {
				f.learn(e)
				return m, true, nil
			}
		}
	}
	return m, false, nil
}

// withPlain adds layers that are not compressed behind the most probable encoder: they cost little to try.
func withPlain(encoders []*Encoder) []*Encoder {
	if slices.Contains(encoders, unpacked) {
		return encoders
	}
	return slices.Insert(encoders, min(1, len(encoders)), unpacked)
}

// search is that for one manifest.
type search struct {
	image  Image
	styles []style
	wanted map[digest.Digest]*Clue
	known  [][]v1.Descriptor // combinations of known blobs; of a layer without one the digest is empty
	open   []int             // the numbers of layers that are not known

	made   map[*Encoder][][]v1.Descriptor // of the open layers, by header
	makers []Maker
	hashed int64
}

// fixed enters the blobs that the clues tell, and layers that the tar holds compressed.
func (s *search) fixed(clues Clues) {
	s.known = [][]v1.Descriptor{make([]v1.Descriptor, len(s.image.Layers))}
	for i, l := range s.image.Layers {
		forms := clues.blobsOf(l.DiffID)
		if l.compressed() && !has(forms, l.Stored.Digest) {
			forms = append(forms, l.Stored)
		}
		if len(forms) == 0 {
			s.open = append(s.open, i)
			continue
		}
		if len(s.known)*len(forms) > maxForeign {
			forms = forms[:1]
		}
		var all [][]v1.Descriptor
		for _, layers := range s.known {
			for _, d := range forms {
				layers = slices.Clone(layers)
				layers[i] = d
				all = append(all, layers)
			}
		}
		s.known = all
	}
}

// make compresses the open layers with some encoders.
func (s *search) make(ctx context.Context, f *Finder, encoders []*Encoder) error {
	if s.made == nil {
		s.made = map[*Encoder][][]v1.Descriptor{}
	}
	for _, e := range encoders {
		s.made[e] = make([][]v1.Descriptor, len(s.open))
	}
	return parallel(ctx, len(encoders)*len(s.open), func(ctx context.Context, n int) (err error) {
		e, i := encoders[n/len(s.open)], n%len(s.open)
		s.made[e][i], err = f.try(ctx, e, s.image.Layers[s.open[i]], 0)
		return err
	})
}

// combine tries what can be built with an encoder: alone, and before and behind each of those before it. nil
// stands for blobs that are known.
func (s *search) combine(e *Encoder) (Manifest, bool) {
	if e == nil {
		return s.try(nil)
	}
	for h := range e.Headers {
		m := Maker{e, h}
		if found, ok := s.try(func(int) Maker { return m }); ok {
			return found, true
		}
		for _, other := range s.makers {
			if found, ok := s.pair(m, other); ok {
				return found, true
			}
		}
		s.makers = append(s.makers, m)
	}
	return Manifest{}, false
}

// pair tries two makers. Each may have made the first layers.
func (s *search) pair(a, b Maker) (m Manifest, ok bool) {
	for split := 1; split < len(s.open) && !ok; split++ {
		for _, pair := range [][2]Maker{{a, b}, {b, a}} {
			m, ok = s.try(func(i int) Maker {
				if i < split {
					return pair[0]
				}
				return pair[1]
			})
			if ok {
				break
			}
		}
	}
	return m, ok
}

// try builds the manifests of one combination. maker says who makes each open layer.
func (s *search) try(maker func(i int) Maker) (Manifest, bool) {
	for _, known := range s.known {
		layers := slices.Clone(known)
		for i, n := range s.open {
			if maker != nil {
				m := maker(i)
				layers[n] = s.made[m.Encoder][i][m.Header]
			}
		}
		if s.hashed > maxHashed {
			return Manifest{}, false
		}
		s.hashed += int64(len(s.styles) * (300 + 200*len(layers)))
		if m, ok := matching(s.styles, image.Describe("", s.image.Config), layers, s.has); ok {
			return m, true
		}
	}
	return Manifest{}, false
}

func (s *search) has(d digest.Digest) bool { return s.wanted[d] != nil }
