package makepatch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/deflate"
	"drayage/internal/limits"
	"drayage/internal/spool"
	"drayage/internal/tarpatch"
	"drayage/internal/verify"
)

// least is the share of a layer that a patch has to save.
const least = 5 // one of so many bytes

// worthy reports whether a layer is large enough, and travels at all.
func worthy(d v1.Descriptor) bool {
	t := image.ParseLayerType(d.MediaType)
	return d.Size >= limits.PatchLeast && t.Tar && !t.Foreign
}

// Annotations of layers whose files can be fetched one by one.
const (
	stargzNote  = "containerd.io/snapshot/stargz/toc.digest"
	chunkedNote = "io.github.containers.zstd-chunked.manifest-checksum"
)

// reason says why no patch of a layer can be made, as far as its media type tells.
func reason(d v1.Descriptor) Reason {
	t := image.ParseLayerType(d.MediaType)
	switch {
	case t.Encrypted:
		return Encrypted
	case t.Compression == compression.Zstd && d.Annotations[chunkedNote] != "":
		return Chunked
	case t.Compression == compression.Zstd:
		return Zstd
	case t.Compression != compression.None && t.Compression != compression.Gzip && t.Compression != "":
		return Other
	}
	return ""
}

// work is what is made for one layer.
type work struct {
	*target
	content, recipe, patch *spool.File
	model                  string
	lossy                  bool // only the content is kept
	closes                 []func()
}

func (w *work) close() {
	for _, f := range w.closes {
		f()
	}
}

// file makes a file without a name.
func (w *work) file(temp string, atLeast int64) (*spool.File, error) {
	f, err := newFile(temp, atLeast)
	if err == nil {
		w.closes = append(w.closes, func() { f.Close() })
	}
	return f, err
}

// layer makes a patch of one layer, unless an earlier run has.
func (m *maker) layer(ctx context.Context, t *target) error {
	key := keyOf(t, m.Content)
	if known, ok := m.Journal.find(key); ok {
		t.outcome = known
		m.tell(t, t.Size)
		return nil
	}
	w := &work{target: t}
	defer w.close()
	err := m.make(ctx, w)
	if err == nil && t.outcome.Patch != nil {
		err = m.Journal.add(key, t.outcome, w.patch, w.recipe)
	} else if err == nil {
		err = m.Journal.add(key, t.outcome, nil, nil)
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("patch of %s: %w", t.Digest, err)
	}
	return err
}

// make makes the patch, and decides whether it is used.
func (m *maker) make(ctx context.Context, w *work) error {
	if err := m.unpack(ctx, w); err != nil || w.outcome.Reason != "" {
		return err
	}
	bases, err := m.bases.open(ctx, w.bases, w.content.Size())
	if err != nil {
		return err
	}
	if len(bases) == 0 {
		w.outcome.Reason = NoBase
		return nil
	}
	needed, err := m.diff(ctx, w, bases)
	if err != nil {
		return err
	}
	a, err := w.absent(needed)
	if err != nil {
		return err
	}
	if len(needed) == 0 || a.Rebuilt.Size() > w.Size-w.Size/least {
		w.outcome.Reason = NoGain
		return nil
	}
	return w.conclude(a, m.check(ctx, w, a, bases))
}

// conclude takes the patch, or says why it made something else. What has nothing to do with the patch, such
// as a full disk, ends the run.
func (w *work) conclude(a image.Absent, err error) error {
	switch {
	case err == nil:
		w.outcome.Patch = &a
	case errors.Is(err, verify.ErrMismatch):
		w.outcome.Reason, w.outcome.Cause = Failed, err.Error()
	default:
		return fmt.Errorf("rebuild it to compare: %w", err)
	}
	return nil
}

// unpack reads the layer, writes down what it unpacks to, and how that was compressed.
func (m *maker) unpack(ctx context.Context, w *work) (err error) {
	if w.content, err = w.file(m.Temp, w.Size); err != nil {
		return err
	}
	if w.recipe, err = w.file(m.Temp, 0); err != nil {
		return err
	}
	blob := image.NewReader(ctx, w.source, w.Descriptor)
	defer blob.Close()
	r := &counted{r: blob, tell: func(n int64) { m.tell(w.target, n) }}
	sum := sha256.New()
	content := &bounded{w: io.MultiWriter(w.content, sum), left: limits.PatchUnpacked}
	known := true
	if compressed(w.Descriptor) {
		w.model, known, err = describe(ctx, r, content, w.recipe, !m.Content)
	} else {
		_, err = io.Copy(content, r)
	}
	stopped := !known && !m.Content
	if stopped {
		m.tell(w.target, w.Size)
	}
	other := err == nil && !stopped && digest.NewDigest(digest.SHA256, sum) != w.DiffID
	if other || errors.Is(err, errLarge) || errors.Is(err, deflate.ErrDamaged) {
		w.outcome.Reason = Other // whoever reads the image finds out what is wrong with it
		return nil
	}
	if err == nil && !known {
		if w.lossy = m.Content; !m.Content {
			w.outcome.Reason = Unknown
			if w.stargz {
				w.outcome.Reason = Stargz
			}
		}
	}
	return err
}

func compressed(d v1.Descriptor) bool {
	return image.ParseLayerType(d.MediaType).Compression == compression.Gzip
}

// diff makes the patch, and returns the bases that it needs.
func (m *maker) diff(ctx context.Context, w *work, bases []opened) (needed []image.Base, err error) {
	if w.patch, err = w.file(m.Temp, 0); err != nil {
		return nil, err
	}
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	target := tarpatch.Base{DiffID: w.DiffID, Size: w.content.Size(), ReaderAt: w.content}
	stats, err := tarpatch.Make(ctx, target, plain(bases), w.patch, tarpatch.Options{Temp: m.Temp})
	if err != nil {
		return nil, err
	}
	for _, id := range stats.Bases {
		for _, b := range bases {
			if b.DiffID == id {
				needed = append(needed, b.Base)
			}
		}
	}
	return needed, nil
}

// absent says how the layer is rebuilt.
func (w *work) absent(bases []image.Base) (image.Absent, error) {
	how := &image.Rebuilt{Unpacked: w.content.Size(), Model: w.model, Content: w.lossy, Bases: bases}
	var err error
	if how.Patch, err = describeFile(w.patch); err == nil && !w.lossy && compressed(w.Descriptor) {
		how.Recipe, err = describeFile(w.recipe)
	}
	return image.Absent{Part: image.PartLayer, Descriptor: w.Descriptor, Reason: image.LeftOut, DiffID: w.DiffID,
		Rebuilt: how}, err
}

func describeFile(f *spool.File) (v1.Descriptor, error) {
	sum := sha256.New()
	_, err := io.Copy(sum, io.NewSectionReader(f, 0, f.Size()))
	return v1.Descriptor{Digest: digest.NewDigest(digest.SHA256, sum), Size: f.Size()}, err
}

func (m *maker) tell(t *target, n int64) {
	if m.Progress != nil {
		m.Progress(t.Descriptor, n)
	}
}

// counted tells how much has been read.
type counted struct {
	r    io.Reader
	n    int64
	tell func(n int64)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.tell(c.n)
	return n, err
}

// errLarge is about a layer that unpacks to more than patches are made of.
var errLarge = errors.New("it unpacks to too much")

// bounded writes at most so many bytes.
type bounded struct {
	w    io.Writer
	left int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errLarge
	}
	return b.w.Write(p)
}

// describe reads a gzip blob, writes what it unpacks to, and the recipe that compresses that again. It tells
// the encoder, and whether it is known. If it is not, all is written anyway, unless it is to stop there.
func describe(
	ctx context.Context, blob io.Reader, content, recipe io.Writer, stop bool,
) (string, bool, error) {
	made, err := deflate.Make(ctx, blob, content, recipe, deflate.MakeOptions{Stop: stop})
	if errors.Is(err, deflate.ErrUnknown) {
		return "", false, nil
	}
	return made.Model, err == nil, err
}

// keyOf stands for what decides on the fate of a layer: itself, and what a patch may be made against.
func keyOf(t *target, content bool) digest.Digest {
	b := []byte(fmt.Sprintln("patch 1", t.Digest, t.Size, t.MediaType, t.DiffID, content))
	for _, base := range t.bases {
		b = fmt.Appendln(b, base.Digest, base.Size, base.DiffID)
	}
	return digest.FromBytes(b)
}
