package dockerarchive

import (
	"archive/tar"
	"bytes"
	"fmt"
	"time"
)

const (
	blockSize = 512       // the unit of a tar: headers are blocks, and content is padded to whole ones
	maxUSTAR  = 1<<33 - 1 // the largest size or time that a plain header holds
)

// tarEntry is one file of an archive that is to be written: its header, and how its content comes. An archive
// may have very many, so one of a kind layerDir stands for a directory with all its files.
type tarEntry struct {
	name, link string // name is empty where [tarEntry.path] tells it
	kind       byte   // a tar.Type..., or layerDir
	modified   int64  // in seconds since 1970
	data       []byte // the content, if it is in memory
	blob       *blob  // the content, if it is read from a source

	// beside is the blob whose place this entry shares: if the size of that is known only when it has been
	// written, the entry stands behind all others. nil means that the entry keeps its place.
	beside *blob
}

func file(name string, data []byte, t time.Time) *tarEntry {
	return &tarEntry{name: name, kind: tar.TypeReg, modified: t.Unix(), data: data}
}

func blobFile(name string, b *blob, t time.Time) *tarEntry {
	return &tarEntry{name: name, kind: tar.TypeReg, modified: t.Unix(), blob: b}
}

// layerDir is the kind of a layer directory of a docker tar. The name is that of the directory and data its
// file json. The layer comes last: it is the blob, or a link.
const layerDir = 'L'

// path is the name of a file, or of the last one of a layer directory.
func (e *tarEntry) path() string {
	switch {
	case e.kind == layerDir:
		return e.name + "/layer.tar"
	case e.name == "":
		return ociPath(e.blob.Digest)
	}
	return e.name
}

// files are the entry itself, or what a layer directory consists of.
func (e *tarEntry) files(yield func(tarEntry) bool) {
	if e.kind != layerDir {
		own := *e
		own.name = e.path()
		yield(own)
		return
	}
	in := func(name string, kind byte, data []byte) tarEntry {
		return tarEntry{name: e.name + name, kind: kind, modified: e.modified, data: data}
	}
	last := in("/layer.tar", tar.TypeReg, nil)
	if last.blob = e.blob; e.blob == nil {
		last.kind, last.link = tar.TypeSymlink, e.link
	}
	_ = yield(in("/", tar.TypeDir, nil)) && yield(in("/VERSION", tar.TypeReg, []byte("1.0"))) &&
		yield(in("/json", tar.TypeReg, e.data)) && yield(last)
}

// mode is what permissions the entry gets where it is unpacked.
func (e *tarEntry) mode() int64 {
	switch e.kind {
	case tar.TypeDir:
		return 0o755
	case tar.TypeSymlink:
		return 0o777
	}
	return 0o644
}

// head makes b what stands before the content of a blob: the header. Of any other entry it is all. Its length
// does not depend on the size of the blob.
func (e *tarEntry) head(b *bytes.Buffer) (err error) {
	if b.Reset(); b.Cap() > chunkSize {
		*b = bytes.Buffer{} // the room of a very long document is needed for nothing else
	}
	e.files(func(f tarEntry) bool {
		err = f.write(b)
		return err == nil
	})
	return err
}

// write writes the head of one file.
func (e *tarEntry) write(b *bytes.Buffer) error {
	h := tar.Header{Name: e.name, Linkname: e.link, Typeflag: e.kind, Mode: e.mode(),
		ModTime: time.Unix(e.modified, 0), Size: int64(len(e.data))}
	if e.blob != nil {
		h.Size = e.blob.size
	}
	if h.Size > maxUSTAR || h.ModTime.Unix() > maxUSTAR {
		// This format holds any number in a single block, so the place of what follows does not depend on it.
		h.Format = tar.FormatGNU
	}
	if err := tar.NewWriter(b).WriteHeader(&h); err != nil {
		return fmt.Errorf("%s: %v", h.Name, err)
	}
	b.Write(e.data)
	b.Write(padding(int64(len(e.data))))
	return nil
}

// late reports whether the entry stands behind those whose sizes are known.
func (e *tarEntry) late() bool { return e.beside != nil && e.beside.late }

func padded(n int64) int64 { return (n + blockSize - 1) / blockSize * blockSize }

func padding(n int64) []byte { return archiveEnd[:padded(n)-n] }

var archiveEnd = make([]byte, 2*blockSize) // closes every tar
