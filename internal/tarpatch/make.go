package tarpatch

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"drayage/internal/limits"
)

// How much is compared at once. An old window lies around the place at which the new one is expected.
const (
	newWindow = 2 << 20
	oldWindow = 6 << 20
	// How many equal bytes in a row become an operation of their own, and not differences that are none.
	// Headers stay whole, because the bytes that differ are predicted by the others.
	exactRun  = 1024
	headerRun = maxMeta
)

// Options is how a patch is made.
type Options struct {
	Temp string // the directory for temporary files, which have no names; empty: the system's
}

// Stats says what a patch consists of.
type Stats struct {
	Size       int64           // of the patch
	Streams    [3]int64        // of its three frames: operations, differences, data
	Bases      []digest.Digest // the diff IDs of those layers that the patch needs
	Copied     int64           // bytes of the target that come from bases
	Changed    int64           // bytes that come from bases with differences
	New        int64           // bytes that are in the patch
	Operations int64
	Beyond     int64 // files of the bases for which the index had no room: they are not looked for
}

// Make writes a patch to w that makes the target of some of the bases. Those that come first are preferred.
// Equal input gives equal bytes. Whether the result is right, only applying it shows.
//
// It takes up to 100 MiB of memory, and temporary files of up to the target's size and the patch's.
func Make(ctx context.Context, target Base, bases []Base, w io.Writer, o Options) (Stats, error) {
	if len(bases) > limits.PatchBases {
		return Stats{}, fmt.Errorf("patch: %d layers as bases, more than %d", len(bases), limits.PatchBases)
	}
	x, err := newIndex(ctx, bases)
	if err != nil {
		return Stats{}, fmt.Errorf("patch: %w", err)
	}
	out, err := newWriter(target.Size, bases, o.Temp)
	if err != nil {
		return Stats{}, err
	}
	defer out.Close()
	out.stats.Beyond = x.beyond
	m := &maker{ctx: ctx, target: target, bases: bases, index: x, out: out}
	if err := m.run(); err != nil {
		return Stats{}, err
	}
	*m = maker{} // the encoder needs the memory
	x = nil
	err = out.finish(ctx, target, w, o.Temp)
	return out.stats, err
}

// maker goes through a target, and says where it comes from.
type maker struct {
	ctx      context.Context
	target   Base
	bases    []Base
	index    *index
	out      *writer
	matcher  matcher
	new, old []byte
	header   *known // whose headers were like the last ones
}

func (m *maker) run() error {
	m.new = make([]byte, max(hashed, min(newWindow, m.target.Size)))
	for _, b := range m.bases {
		if n := min(oldWindow, b.Size); n > int64(len(m.old)) {
			m.old = make([]byte, n)
		}
	}
	s := newScanner(m.target)
	at := int64(0)
	for e, ok := s.next(); ok; e, ok = s.next() {
		if err := m.entry(e); err != nil {
			return err
		}
		at = e.padded()
	}
	return errors.Join(s.err, m.rest(at))
}

// entry takes an entry of the target.
func (m *maker) entry(e entry) error {
	sum, zeros, err := contentSum(m.target, e, m.new[:hashed])
	if err != nil {
		return err
	}
	path, stem, dir := hashName(e.name)
	like := m.index.samePath(path)
	if like == nil {
		like = m.index.alike(stem, dir, e.size)
	}
	var same *known
	if e.size > 0 {
		same = m.index.sameContent(sum, path)
	}
	if err := m.headers(e, like, same); err != nil {
		return err
	}
	whole := span{e.content, e.padded() - e.content}
	switch {
	case e.size == 0:
		return nil
	case same != nil && same.zeros && zeros:
		m.out.copy(int(same.base), same.content, whole.n)
		return nil
	case same != nil:
		m.out.copy(int(same.base), same.content, e.size)
		return m.literal(span{e.content + e.size, whole.n - e.size})
	case like != nil && like.size > 0:
		return m.like(whole, int(like.base), span{like.content, roundUp(like.size)}, like.content)
	}
	return m.literal(whole)
}

// headers takes the headers of an entry, by those of the entry with its name or its content, else by the last
// ones: they are all much the same.
func (m *maker) headers(e entry, like, same *known) error {
	for _, k := range []*known{same, like} {
		if k != nil {
			m.header = k
		}
	}
	at, n := e.at, e.content-e.at
	if k := m.header; k != nil {
		common := min(n, int64(k.headers))
		if err := m.literal(span{at, n - common}); err != nil {
			return err
		}
		return m.differ(span{e.content - common, common}, int(k.base), k.content-common)
	}
	return m.literal(span{at, n})
}

// rest takes what follows the entries: the end of the tar, or all of something that is no tar.
func (m *maker) rest(at int64) error {
	whole := span{at, m.target.Size - at}
	if whole.n <= newWindow {
		p, err := m.load(m.new, m.target, whole)
		if err != nil || isZero(p) {
			m.out.literal(p)
			return err
		}
	}
	if len(m.bases) == 0 {
		return m.literal(whole)
	}
	return m.like(whole, 0, span{0, m.bases[0].Size}, at)
}

// load reads a part into buf, which is large enough.
func (m *maker) load(buf []byte, from io.ReaderAt, s span) ([]byte, error) {
	if m.ctx.Err() != nil {
		return nil, context.Cause(m.ctx)
	}
	return buf[:s.n], readAt(from, buf[:s.n], s.at)
}

// literal takes bytes of the target as they are.
func (m *maker) literal(s span) error {
	for end := s.at + s.n; s.at < end; {
		p, err := m.load(m.new, m.target, span{s.at, min(end-s.at, newWindow)})
		if err != nil {
			return err
		}
		m.out.literal(p)
		s.at += int64(len(p))
	}
	return nil
}

// differ takes bytes of the target by as many bytes of a base.
func (m *maker) differ(s span, base int, at int64) error {
	for end := s.at + s.n; s.at < end; {
		n := min(end-s.at, newWindow)
		p, err := m.load(m.new, m.target, span{s.at, n})
		if err != nil {
			return err
		}
		q, err := m.load(m.old, m.bases[base], span{at, n})
		if err != nil {
			return err
		}
		m.matcher.new, m.matcher.old = p, q
		m.piece(piece{0, 0, int(n)}, base, at, headerRun)
		s.at, at = s.at+n, at+n
	}
	return nil
}

// like takes bytes of the target by a part of a base, in windows. expect is the place in the base where they
// are thought to begin.
func (m *maker) like(s span, base int, from span, expect int64) error {
	window := span{-1, 0}
	for end := s.at + s.n; s.at < end; {
		p, err := m.load(m.new, m.target, span{s.at, min(end-s.at, newWindow)})
		if err != nil {
			return err
		}
		lo := max(from.at, min(expect-(oldWindow-newWindow)/2, from.at+from.n-oldWindow))
		if want := (span{lo, min(oldWindow, from.at+from.n-lo)}); want != window {
			window = want
			q, err := m.load(m.old, m.bases[base], window)
			if err != nil {
				return err
			}
			m.matcher.begin(q)
		}
		expect = m.window(p, base, window.at, expect)
		s.at += int64(len(p))
	}
	return nil
}

// window takes new bytes by the window of old bytes at a place. It returns where in the base the next ones
// are expected: where the longest piece would go on. A short one may be from anywhere.
func (m *maker) window(p []byte, base int, at, expect int64) int64 {
	done, longest := 0, 0
	next := expect + int64(len(p))
	m.matcher.find(p, int(expect-at), func(f piece) {
		m.out.literal(p[done:f.new])
		m.piece(f, base, at+int64(f.old), exactRun)
		done = f.new + f.n
		if f.n > longest {
			longest, next = f.n, at+int64(f.old+len(p)-f.new)
		}
	})
	m.out.literal(p[done:])
	return next
}

// piece takes new bytes by as many old ones at a place in a base. Runs of equal bytes that are long enough
// are copied.
func (m *maker) piece(f piece, base int, at int64, long int) {
	new, old := m.matcher.new[f.new:], m.matcher.old[f.old:]
	from := 0 // what has not been taken yet
	for k := 0; k < f.n; k++ {
		run := min(m.matcher.equal(f.new+k, f.old+k), f.n-k)
		if run >= long || run == f.n {
			m.out.add(base, at+int64(from), old[from:k], new[from:k])
			m.out.copy(base, at+int64(k), int64(run))
			from = k + run
		}
		k += run
	}
	m.out.add(base, at+int64(from), old[from:f.n], new[from:f.n])
}
