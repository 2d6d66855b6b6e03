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

// tarEntry is one file of an archive that is to be written: its header, and how its content comes.
type tarEntry struct {
	header tar.Header
	data   []byte // the content, if it is in memory
	blob   *blob  // the content, if it is read from a source

	// beside is the blob whose place this entry shares: if the size of that is known only when it has been
	// written, the entry stands behind all others. nil means that the entry keeps its place.
	beside *blob
}

func header(name string, kind byte, mode int64, t time.Time) tar.Header {
	return tar.Header{Name: name, Typeflag: kind, Mode: mode, ModTime: t}
}

func file(name string, data []byte, t time.Time) *tarEntry {
	h := header(name, tar.TypeReg, 0o644, t)
	h.Size = int64(len(data))
	return &tarEntry{header: h, data: data}
}

func blobFile(name string, b *blob, t time.Time) *tarEntry {
	return &tarEntry{header: header(name, tar.TypeReg, 0o644, t), blob: b}
}

func directory(name string, t time.Time) *tarEntry {
	return &tarEntry{header: header(name, tar.TypeDir, 0o755, t)}
}

func link(name, target string, t time.Time) *tarEntry {
	h := header(name, tar.TypeSymlink, 0o777, t)
	h.Linkname = target
	return &tarEntry{header: h}
}

// head is what stands before the content of a blob: the header. Of any other entry it is all.
func (e *tarEntry) head() ([]byte, error) {
	h := e.header
	if e.blob != nil {
		h.Size = e.blob.size
	}
	if h.Size > maxUSTAR || h.ModTime.Unix() > maxUSTAR {
		// This format holds any number in a single block, so the place of what follows does not depend on it.
		h.Format = tar.FormatGNU
	}
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&h); err != nil {
		return nil, fmt.Errorf("%s: %v", h.Name, err)
	}
	b.Write(e.data)
	b.Write(padding(int64(len(e.data))))
	return b.Bytes(), nil
}

// late reports whether the entry stands behind those whose sizes are known.
func (e *tarEntry) late() bool { return e.beside != nil && e.beside.late }

func padded(n int64) int64 { return (n + blockSize - 1) / blockSize * blockSize }

func padding(n int64) []byte { return make([]byte, padded(n)-n) }

// archiveEnd closes every tar.
var archiveEnd = make([]byte, 2*blockSize)
