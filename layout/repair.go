package layout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/internal/jsonkeys"
	"drayage/internal/lenient"
	"drayage/internal/limits"
	"drayage/internal/verify"
)

// ErrDamaged is wrapped by errors about an index.json that cannot be read. [Repair] makes a new one.
var ErrDamaged = errors.New("index.json is damaged")

// Repaired says what [Repair] has found and done.
type Repaired struct {
	Marker   bool            // oci-layout was missing or unreadable, and has been written
	Index    bool            // index.json was missing or unreadable, and has been made anew
	Kept     string          // the unreadable index.json is now this file of the layout; empty if there was none
	Saved    int             // entries of the unreadable index.json that could be read
	Nameless int             // entries that were made for images without a name
	Removed  []digest.Digest // blobs that were not what their names say, in order
}

// Repair rebuilds what can be rebuilt of the layout in a directory. It removes blobs that are not what
// their names say, so that the next fetch brings them again. An index.json that can be read stays as it is.
// Of any other it keeps the entries before the damage, and makes an entry without a name for each manifest
// that nothing refers to. No other process may write blobs meanwhile. Repair waits for processes that
// change index.json.
func Repair(ctx context.Context, path string) (*Repaired, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if fi, err := root.Lstat(v1.ImageBlobsDir); err != nil || !fi.IsDir() {
		return nil, fmt.Errorf("%s: there is no directory %q in it, so there is nothing to repair",
			path, v1.ImageBlobsDir)
	}
	d := &Dir{Layout: &Layout{fsys: root.FS()}, root: root, path: path}
	r := &Repaired{}
	if r.Removed, err = d.removeWrong(ctx); err != nil {
		return nil, err
	}
	return r, d.locked(ctx, func() error {
		if err := d.repairIndex(ctx, r); err != nil {
			return err
		}
		if version, err := readVersion(d.fsys); err == nil && version != "" {
			return nil // if the version is not known here, it is not for us to change
		}
		r.Marker = true
		return d.write(v1.ImageLayoutFile, []byte(marker))
	})
}

// removeWrong removes blobs that are not what their names say. It reads small ones first: manifests among
// them tell how large the others have to be. It does not read a large blob that has another size, nor one
// that nothing refers to.
func (d *Dir) removeWrong(ctx context.Context) ([]digest.Digest, error) {
	blobs, err := d.Blobs()
	if err != nil {
		return nil, err
	}
	var small []v1.Descriptor
	large := map[digest.Digest]v1.Descriptor{}
	for _, b := range blobs {
		if b.Size > image.MaxManifestSize {
			large[b.Digest] = b
		} else {
			small = append(small, b)
		}
	}
	removed, err := d.removeUnless(ctx, small, d.isRight)
	if err != nil || len(large) == 0 {
		return removed, err
	}
	fits, err := d.sizes(ctx, small, large)
	if err != nil {
		return nil, err
	}
	var referred []v1.Descriptor
	for id := range fits {
		referred = append(referred, large[id])
	}
	more, err := d.removeUnless(ctx, referred, func(ctx context.Context, b v1.Descriptor) (bool, error) {
		if !fits[b.Digest] {
			return false, nil
		}
		return d.isRight(ctx, b)
	})
	removed = append(removed, more...)
	slices.Sort(removed)
	return removed, err
}

// sizes tells of those large blobs that something refers to whether they have the size that is said there.
func (d *Dir) sizes(
	ctx context.Context, small []v1.Descriptor, large map[digest.Digest]v1.Descriptor,
) (map[digest.Digest]bool, error) {
	fits := map[digest.Digest]bool{}
	refer := func(c v1.Descriptor) {
		if b, ok := large[c.Digest]; ok {
			fits[c.Digest] = fits[c.Digest] || c.Size == b.Size
		}
	}
	raw, _ := readFile(d.fsys, v1.ImageIndexFile, limits.IndexJSON) // whatever is wrong with it
	for _, e := range readable(raw) {
		refer(e.desc)
	}
	for _, b := range small {
		doc, ok, err := d.document(ctx, b)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // it may have been removed
			return nil, err
		}
		if ok {
			for _, c := range doc.Children() {
				refer(c)
			}
		}
	}
	return fits, nil
}

// removeUnless removes blobs that are not right.
func (d *Dir) removeUnless(
	ctx context.Context, blobs []v1.Descriptor, isRight func(context.Context, v1.Descriptor) (bool, error),
) ([]digest.Digest, error) {
	var mu sync.Mutex
	var removed []digest.Digest
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(runtime.GOMAXPROCS(0))
	for _, b := range blobs {
		eg.Go(func() error {
			right, err := isRight(ctx, b)
			if err != nil || right {
				return err
			}
			if err := d.root.Remove(blobPath(b)); err != nil {
				return fmt.Errorf("%s: %w", d.path, err)
			}
			mu.Lock()
			defer mu.Unlock()
			removed = append(removed, b.Digest)
			return nil
		})
	}
	err := eg.Wait()
	slices.Sort(removed)
	return removed, err
}

func (d *Dir) repairIndex(ctx context.Context, r *Repaired) error {
	raw, err := readFile(d.fsys, v1.ImageIndexFile, limits.IndexJSON)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	if err == nil {
		if _, err := d.Images(); err == nil {
			return nil
		}
		if r.Kept, err = d.setAside(v1.ImageIndexFile, raw); err != nil {
			return err
		}
	}
	r.Index = true
	ix := emptyIndex()
	ix.entries = readable(raw)
	r.Saved = len(ix.entries)
	nameless, err := d.unnamed(ctx, ix.entries)
	if err != nil {
		return err
	}
	r.Nameless = len(nameless)
	ix.entries = append(ix.entries, nameless...)
	if raw, err = ix.marshal(); err != nil {
		return err
	}
	return d.write(v1.ImageIndexFile, raw)
}

// setAside writes what a file holds to another file, and returns the name of that. The first file stays
// until it is replaced: whoever is killed in between must find it again.
func (d *Dir) setAside(name string, raw []byte) (string, error) {
	for i := 1; i < 1000; i++ {
		aside := fmt.Sprintf("%s.damaged-%d", name, i)
		was, err := readFile(d.fsys, aside, limits.IndexJSON)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return aside, d.write(aside, raw)
		case err == nil && bytes.Equal(was, raw):
			return aside, nil
		}
	}
	return "", fmt.Errorf("%s: too many damaged files: remove %s.damaged-*", d.path, name)
}

// readable returns the entries of a damaged index.json that stand before the damage.
func readable(raw []byte) (all []entry) {
	start := bytes.Index(raw, []byte(`"manifests"`))
	if start < 0 {
		return nil
	}
	rest := raw[start+len(`"manifests"`):]
	open := bytes.IndexByte(rest, '[')
	if open < 0 || len(bytes.TrimLeft(rest[:open], ": \t\r\n")) > 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(rest[open:]))
	if _, err := dec.Token(); err != nil {
		return nil
	}
	for dec.More() {
		var e entry
		if dec.Decode(&e.raw) != nil {
			return all
		}
		known := json.Unmarshal(e.raw, (*lenient.Descriptor)(&e.desc)) == nil && jsonkeys.UniqueRead(e.raw) == nil
		if known && verify.Descriptor(e.desc) == nil {
			all = append(all, e)
		}
	}
	return all
}

// unnamed makes entries for the manifests that neither the known entries nor other manifests lead to.
func (d *Dir) unnamed(ctx context.Context, known []entry) (all []entry, err error) {
	blobs, err := d.Blobs()
	if err != nil {
		return nil, err
	}
	found := map[digest.Digest]v1.Descriptor{} // of manifests
	led := map[digest.Digest]bool{}
	for _, e := range known {
		led[e.desc.Digest] = true
	}
	for _, b := range blobs {
		doc, ok, err := d.document(ctx, b)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		b.MediaType = doc.MediaType
		if doc.Subject != nil {
			b.Annotations = map[string]string{AnnotationSubject: doc.Subject.Digest.String()}
		}
		found[b.Digest] = b
		for _, c := range doc.Children() {
			led[c.Digest] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		if !led[id] {
			all = append(all, entry{desc: found[id]})
		}
	}
	return all, nil
}

// document returns a blob as a manifest or index, and reports whether it is one.
func (d *Dir) document(ctx context.Context, b v1.Descriptor) (image.Document, bool, error) {
	if b.Size > image.MaxManifestSize || b.Size < 2 {
		return image.Document{}, false, nil
	}
	raw, err := image.ReadAll(ctx, d, b, image.MaxManifestSize)
	if err != nil {
		return image.Document{}, false, err
	}
	if !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{")) {
		return image.Document{}, false, nil
	}
	doc, err := image.ParseManifest("", raw)
	return doc, err == nil, nil
}
