package upload

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/transfer"
	"drayage/internal/unpack"
	"drayage/registry"
)

// layerPush is a layer of a docker tar on its way into a repository.
type layerPush struct {
	*pusher
	repo     *registry.Repository
	layer    *dockerarchive.SavedLayer
	reported func(int64)
}

// push brings the layer into the repository, in the form in which it can be pulled.
func (l *layerPush) push(ctx context.Context) error {
	id := l.layer.DiffID
	defer l.lockDiffID(id)()
	kind, err := l.layer.Compression()
	if err != nil {
		return fmt.Errorf("layer %q: %w", l.layer.Path, err)
	}
	d, there, err := l.there(ctx, kind)
	if there {
		l.reported(l.layer.Size())
		l.remember(id, d, l.repo)
	}
	if there || err != nil {
		return err
	}
	places := []chan struct{}{l.slots}
	if kind == compression.Xz {
		places = []chan struct{}{l.large, l.slots}
	}
	for _, place := range places {
		select {
		case place <- struct{}{}:
			defer func() { <-place }()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	l.reported(0)
	if d, err = l.pack(ctx, kind); err != nil {
		return fmt.Errorf("layer %q: %w", l.layer.Path, err)
	}
	l.reported(l.layer.Size())
	l.remember(id, d, l.repo)
	return nil
}

// lockDiffID makes a layer that goes to several repositories be compressed once. It returns the unlock.
func (p *pusher) lockDiffID(id digest.Digest) func() {
	p.mu.Lock()
	m := p.packing[id]
	if m == nil {
		m = &sync.Mutex{}
		p.packing[id] = m
	}
	p.mu.Unlock()
	m.Lock()
	return m.Unlock
}

func (p *pusher) remember(id digest.Digest, d v1.Descriptor, repo *registry.Repository) {
	p.mu.Lock()
	p.packed[id], p.here[layerAt{repo.Name(), id}] = &d, &d
	p.mu.Unlock()
	p.place(repo, d.Digest)
}

// in returns what a layer that has been pushed is in a repository.
func (p *pusher) in(repo *registry.Repository, id digest.Digest) (d v1.Descriptor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := p.here[layerAt{repo.Name(), id}]; at != nil {
		d = *at
	}
	return d
}

// reuse reports whether the repository has the blob, or could mount it.
func (p *pusher) reuse(ctx context.Context, repo *registry.Repository, d v1.Descriptor) (bool, error) {
	there, err := repo.Exists(ctx, d)
	if there || err != nil {
		return there, err
	}
	if from := cmp.Or(p.origin(repo, d.Digest), p.based(ctx, repo, d)); from != "" {
		return p.mount(ctx, repo, d, from)
	}
	return false, nil
}

// mount has a blob mounted from another repository, or asks whether that has it.
func (p *pusher) mount(
	ctx context.Context, repo *registry.Repository, d v1.Descriptor, from string,
) (bool, error) {
	if p.opts.Look {
		return repo.Beside(from).Exists(ctx, d)
	}
	return repo.Pusher().Mount(ctx, d, from)
}

// pack uploads the layer, which is stored in a form of some kind. Gzip and zstd go as they are, everything
// else is compressed on the way.
func (l *layerPush) pack(ctx context.Context, kind string) (v1.Descriptor, error) {
	switch kind {
	case compression.Gzip:
		return l.stored(ctx, image.DockerLayer)
	case compression.Zstd:
		return l.stored(ctx, v1.MediaTypeImageLayerZstd)
	}
	d, err := l.compressed(ctx)
	if err == nil {
		// Only what the layer alone decides is remembered for other runs: what another tool made of it would
		// change their digests.
		l.cache.Store(l.layer.DiffID, d)
	}
	return d, err
}

// compressed uploads a layer that is compressed on the way.
func (l *layerPush) compressed(ctx context.Context) (v1.Descriptor, error) {
	journal := l.journal(l.repo, l.layer.DiffID, l.layer.Size(), l.cache.LayerJournal)
	defer journal.Close()
	open := func() (io.ReadCloser, error) {
		return piped(func(w io.Writer) error { return l.compressTo(ctx, w) }), nil
	}
	opts := registry.PushOptions{Journal: journal}
	return l.repo.Pusher().PushStream(ctx, l.opts.Compression.format().mediaType, open, opts)
}

// compressTo writes the compressed layer. It fails at the end if the diff ID is wrong, so that no upload of
// a wrong layer can end well.
func (l *layerPush) compressTo(ctx context.Context, w io.Writer) error {
	z, err := l.opts.Compression.writer(&l.encoders, w)
	if err != nil {
		return err
	}
	err = l.check(ctx, transfer.Counted(l.layer.Open(), l.reported), z)
	if cerr := z.Close(); err == nil {
		err = cerr
	}
	return err
}

// stored pushes a layer that is stored compressed. It reads the layer once before, to check its diff ID and
// to learn its digest. That cannot be done with a layer of a stream, which is sent at once instead and not
// kept if it is wrong.
func (l *layerPush) stored(ctx context.Context, mediaType string) (v1.Descriptor, error) {
	if l.opts.Stream != nil {
		open := func() (io.ReadCloser, error) {
			return piped(func(w io.Writer) error {
				return l.check(ctx, io.TeeReader(transfer.Counted(l.layer.Open(), l.reported), w), nil)
			}), nil
		}
		return l.repo.Pusher().PushStream(ctx, mediaType, open, registry.PushOptions{})
	}
	h := sha256.New()
	if err := l.check(ctx, io.TeeReader(l.layer.Open(), h), nil); err != nil {
		return v1.Descriptor{}, err
	}
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.NewDigest(digest.SHA256, h), Size: l.layer.Size()}
	return d, l.blob(ctx, l.repo, job{Blob: d, Source: l.layer.Source()}, l.reported)
}

// check writes the layer's uncompressed content to w, which may be nil, and compares it with the diff ID.
// It reads stored to its end.
func (l *layerPush) check(ctx context.Context, stored io.Reader, w io.Writer) error {
	found, err := unpack.Sum(ctx, stored, l.layer.DiffID.Algorithm(), w)
	if err != nil {
		return err
	}
	return unpack.CheckDiffID(found.DiffID, l.layer.DiffID)
}

// piped returns what write writes, and then its error.
func piped(write func(io.Writer) error) io.ReadCloser {
	pr, pw := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		pw.CloseWithError(write(pw))
	}()
	return &pipe{PipeReader: pr, done: done}
}

// pipe waits for its goroutine when it is closed.
type pipe struct {
	*io.PipeReader
	done <-chan struct{}
}

func (p *pipe) Close() error {
	err := p.PipeReader.Close()
	<-p.done
	return err
}
