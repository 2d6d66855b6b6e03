package makepatch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/durable"
	"drayage/internal/filelock"
	"drayage/internal/kind"
	"drayage/internal/spool"
	"drayage/internal/verify"
)

// Journal is a file with the patches that have been made, one behind the other: a source of them for whoever
// writes the archive. One with a name stays behind if the process is killed, and the next run goes on with
// it. Its methods may be called concurrently.
type Journal struct {
	file interface {
		io.Writer
		io.ReaderAt
		io.Closer
	}
	root *os.Root // of the directory that it is in; nil: it has no name
	name string

	removed bool

	mu    sync.Mutex
	end   int64
	made  map[digest.Digest]Outcome // by key
	parts map[digest.Digest]part
	kept  int
}

// part is where a patch or a recipe is.
type part struct{ at, size int64 }

const (
	// recordMagic is how every record begins. Then come the length of its header, the header, the patch and the
	// recipe.
	recordMagic = "DRYJ\x01"
	maxRecord   = 1 << 20 // bytes of a header
)

// record is the header of a record.
type record struct {
	Key     digest.Digest `json:"key"`
	Outcome Outcome       `json:"outcome"`
}

// Unnamed makes a journal in a directory that no other run finds.
func Unnamed(dir string) (*Journal, error) {
	f, err := spool.Create(dir)
	if err != nil {
		return nil, err
	}
	return &Journal{file: f, made: map[digest.Digest]Outcome{}, parts: map[digest.Digest]part{}}, nil
}

// Beside opens the journal of an archive that is going to be written at path, with what an earlier run has
// left. It has no name where another run has it, and where there are no locks; its files are in temp then.
func Beside(path, temp string) (*Journal, error) {
	dir, name := filepath.Dir(path), journalName(path)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	f, err := durable.OpenLocked(root, name, 0o600, filelock.TryLock)
	if f == nil {
		root.Close()
		if err != nil && !errors.Is(err, filelock.ErrUnsupported) && !errors.Is(err, filelock.ErrLocked) {
			return nil, err
		}
		return Unnamed(temp)
	}
	j := &Journal{file: f, root: root, name: name, made: map[digest.Digest]Outcome{},
		parts: map[digest.Digest]part{}}
	if err := j.load(f); err != nil {
		return nil, errors.Join(err, f.Close(), root.Close())
	}
	return j, nil
}

func journalName(path string) string { return durable.PartialName(filepath.Base(path)) + ".patches" }

// Forget removes the journal that an earlier run has left of the archive at path, unless a run has it now.
func Forget(path string) error {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := root.OpenFile(journalName(path), os.O_RDWR, 0)
	if err != nil {
		return nil // there is none
	}
	defer f.Close()
	magic := make([]byte, len(recordMagic))
	if _, err := io.ReadFull(f, magic); err != nil || string(magic) != recordMagic {
		return nil // it is something else
	}
	if err := filelock.TryLock(f); err != nil {
		return nil
	}
	return root.Remove(journalName(path))
}

// Left is the path of the journal that a run that was broken off has left, or nothing.
func (j *Journal) Left() string {
	if j == nil || j.root == nil || len(j.made) == 0 {
		return ""
	}
	return filepath.Join(j.root.Name(), j.name)
}

// load reads what is there, up to the first record that is not whole, and takes away the rest.
func (j *Journal) load(f *os.File) error {
	for {
		n, err := j.read(f)
		if err != nil {
			break // it was broken off here
		}
		j.end += n
	}
	j.kept = len(j.made)
	if err := f.Truncate(j.end); err != nil {
		return err
	}
	_, err := f.Seek(j.end, io.SeekStart)
	return err
}

// read reads the next record, compares its parts with their digests, and returns how long it is.
func (j *Journal) read(f io.ReaderAt) (int64, error) {
	head := make([]byte, len(recordMagic)+4)
	if _, err := f.ReadAt(head, j.end); err != nil {
		return 0, err
	}
	n := int64(binary.LittleEndian.Uint32(head[len(recordMagic):]))
	if string(head[:len(recordMagic)]) != recordMagic || n > maxRecord {
		return 0, io.ErrUnexpectedEOF
	}
	raw := make([]byte, n)
	if _, err := f.ReadAt(raw, j.end+int64(len(head))); err != nil {
		return 0, err
	}
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return 0, err
	}
	at := j.end + int64(len(head)) + n
	for _, d := range r.Outcome.parts() {
		if err := verify.Descriptor(d); err != nil {
			return 0, err
		}
		sum := sha256.New()
		if n, err := io.Copy(sum, io.NewSectionReader(f, at, d.Size)); err != nil || n != d.Size ||
			digest.NewDigest(digest.SHA256, sum) != d.Digest {
			return 0, io.ErrUnexpectedEOF
		}
		at += d.Size
	}
	j.enter(r, j.end+int64(len(head))+n)
	return at - j.end, nil
}

// parts are the patch and the recipe, if there is one.
func (o *Outcome) parts() []v1.Descriptor {
	if o.Patch == nil || o.Patch.Rebuilt == nil {
		return nil
	}
	return o.Patch.Rebuilt.Parts()
}

// enter remembers a record whose parts begin at a place.
func (j *Journal) enter(r record, at int64) {
	j.made[r.Key] = r.Outcome
	for _, d := range r.Outcome.parts() {
		j.parts[d.Digest] = part{at, d.Size}
		at += d.Size
	}
}

// find returns what an earlier run has made.
func (j *Journal) find(key digest.Digest) (Outcome, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	o, ok := j.made[key]
	o.Reused = ok
	return o, ok
}

// add adds what was made. patch and recipe may be nil.
func (j *Journal) add(key digest.Digest, o Outcome, patch, recipe *spool.File) error {
	raw, err := json.Marshal(record{key, o})
	if err != nil {
		return err
	}
	head := binary.LittleEndian.AppendUint32([]byte(recordMagic), uint32(len(raw)))
	all := []io.Reader{bytes.NewReader(head), bytes.NewReader(raw)}
	for i, d := range o.parts() {
		all = append(all, io.NewSectionReader([]*spool.File{patch, recipe}[i], 0, d.Size))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	n, err := io.Copy(j.file, io.MultiReader(all...))
	if err != nil {
		return err
	}
	j.enter(record{key, o}, j.end+int64(len(head)+len(raw)))
	j.end += n
	return nil
}

// Open implements [image.Source]: the patches and recipes are its blobs.
func (j *Journal) Open(_ context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	j.mu.Lock()
	p, ok := j.parts[d.Digest]
	j.mu.Unlock()
	if !ok {
		return nil, kind.Errorf(fs.ErrNotExist, "%s: no such patch", d.Digest)
	}
	at := io.NewSectionReader(j.file, p.at, p.size)
	return io.NopCloser(image.Section(at, p.size, offset, length)), nil
}

// Close closes the journal. It stays for another run if it has something, unless it was removed.
func (j *Journal) Close() error {
	if j == nil {
		return nil
	}
	var err error
	if len(j.made) == 0 && !j.removed { // there is nothing to go on with
		err = j.Remove()
	}
	err = errors.Join(err, j.file.Close())
	if j.root != nil {
		err = errors.Join(err, j.root.Close())
	}
	return err
}

// Remove removes the journal: the archive is whole. It is still to be closed.
func (j *Journal) Remove() error {
	if j == nil || j.root == nil {
		return nil
	}
	j.removed = true
	return j.root.Remove(j.name)
}
