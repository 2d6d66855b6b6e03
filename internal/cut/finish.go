package cut

import (
	"context"
	"io"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"drayage/internal/durable"
	"drayage/internal/volume"
)

// Finish syncs the volumes and hashes them meanwhile, by reading everything once. If there are to be parity
// volumes it computes them, by reading everything a second time: a hash of the archive needs it from the
// beginning to the end, and parity needs all volumes side by side. Nothing is written to the archive any
// more.
func (w *Writer) Finish(ctx context.Context) error {
	if err := w.Truncate(w.size); err != nil { // the first volumes are as long as they can be
		return err
	}
	if err := w.beginParity(); err != nil {
		return err
	}
	for k := range w.folders {
		if _, err := w.superfluous(k); err != nil {
			return err
		}
	}
	if err := w.hash(ctx); err != nil {
		return err
	}
	return w.encode(ctx)
}

// hash syncs the data volumes and hashes them meanwhile.
func (w *Writer) hash(ctx context.Context) error {
	eg, ctx := errgroup.WithContext(ctx)
	eg.Go(func() error { return w.sync(ctx) })
	eg.Go(func() (err error) {
		w.set, err = describe(ctx, w, w.name, w.size, w.volume)
		return err
	})
	return eg.Wait()
}

// Size is the size of the archive, in bytes.
func (w *Writer) Size() int64 { return w.size }

// Set is what the set file is going to say. It is there after Finish.
func (w *Writer) Set() *volume.Set { return w.set }

// sync makes the content of the volumes durable. Each disk is asked for one file at a time.
func (w *Writer) sync(ctx context.Context) error {
	for _, f := range w.files {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// describe hashes an archive. A volume size of 0 means that it is one file.
func describe(ctx context.Context, r io.ReaderAt, name string, size, vol int64) (*volume.Set, error) {
	s := &volume.Set{Name: name, Size: size, Volume: vol, Block: blockFor(size, vol)}
	units := []int64{whole, s.Block}
	if vol > 0 && vol < size {
		units = append(units, vol)
	}
	sums, err := hashes(ctx, r, size, units...)
	if err != nil {
		return nil, err
	}
	s.SHA256, s.Blocks = digest.NewDigestFromBytes(digest.SHA256, sums[0]), sums[1]
	if len(units) < 3 {
		s.Volumes = []volume.Volume{{Size: size, SHA256: s.SHA256}}
		return s, nil
	}
	for i := 0; i*32 < len(sums[2]); i++ {
		s.Volumes = append(s.Volumes, volume.Volume{
			Size:   min(vol, size-int64(i)*vol),
			SHA256: digest.NewDigestFromBytes(digest.SHA256, sums[2][i*32:(i+1)*32]),
		})
	}
	return s, nil
}

// Commit gives all files their names: the volumes first, and then a set file in each folder that has one of
// them. A former set file goes before that, so none is ever beside volumes of another archive.
//
// A medium may have been taken away meanwhile. Then the path of its folder leads to another one, and what was
// begun late is there: nothing gets its name.
func (w *Writer) Commit() error {
	sets, err := w.writeSets()
	defer func() {
		for _, f := range sets {
			f.Abort()
		}
	}()
	if err == nil {
		err = w.hold.Stays()
	}
	if err != nil {
		return err
	}
	for k := range w.folders {
		names, err := w.superfluous(k)
		if err == nil {
			err = w.clear(k, names)
		}
		if err != nil {
			return err
		}
	}
	for _, f := range append(w.files, w.parity...) {
		if err := f.Appear(); err != nil {
			return err
		}
	}
	if err := w.settled(); err != nil {
		return err
	}
	for _, f := range sets {
		if err := f.Appear(); err != nil {
			return err
		}
	}
	if w.sums {
		if err := w.writeSums(); err != nil {
			return err
		}
	}
	return w.settled()
}

// settled makes all names durable, and fails if they are not where the paths lead to.
func (w *Writer) settled() error {
	if err := w.hold.Sync(); err != nil {
		return err
	}
	return w.hold.Stays()
}

// writeSets writes the set files under other names.
func (w *Writer) writeSets() (sets []*durable.Output, err error) {
	raw, err := w.set.Encode()
	if err != nil {
		return nil, err
	}
	w.encoded = raw
	for k, f := range w.folders {
		if !w.uses(k) {
			continue
		}
		out, err := durable.CreateOutput(filepath.Join(f.dir, volume.SetName(w.name)))
		if err != nil {
			return sets, err
		}
		sets = append(sets, out)
		if _, err := out.Write(raw); err != nil {
			return sets, err
		}
		if err := out.Sync(); err != nil {
			return sets, err
		}
	}
	return sets, nil
}

// File is a file that has been written.
type File struct {
	Path   string
	Size   int64
	SHA256 digest.Digest
}

// Written lists all files of the archive, in the order of the volumes, with the set files behind them. They
// are there after Commit.
func (w *Writer) Written() (all []File) {
	for i := range w.set.Len() {
		at := 0
		if v := i - len(w.set.Volumes); v >= 0 {
			at = w.parityOf[v]
		} else {
			at = w.of[i]
		}
		path := filepath.Join(w.folders[at].dir, w.set.FileName(i))
		all = append(all, File{path, w.set.At(i).Size, w.set.At(i).SHA256})
	}
	for k, f := range w.folders {
		if w.uses(k) {
			path := filepath.Join(f.dir, volume.SetName(w.name))
			all = append(all, File{path, int64(len(w.encoded)), digest.FromBytes(w.encoded)})
		}
	}
	return all
}

// uses reports whether folder k gets a volume.
func (w *Writer) uses(k int) bool { return slices.Contains(w.of, k) || slices.Contains(w.parityOf, k) }
