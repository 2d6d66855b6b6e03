// Package bundle writes archives that come out the same whoever makes them: sorted, with one time, and
// without the owner, the umask and the file system of the machine.
package bundle

import (
	"archive/tar"
	"archive/zip"
	"cmp"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

// File is a file or directory of an archive.
type File struct {
	Name string // with slashes; that of a directory ends in one
	Path string // of the content on the disk; nothing for a directory
	Mode fs.FileMode
	UID  int
}

// Sorted returns the files by name.
func Sorted(files []File) []File {
	return slices.SortedFunc(slices.Values(files), func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
}

// TarGz writes files as a compressed tar.
func TarGz(w io.Writer, files []File, at time.Time) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression) // its header has neither a name nor a time
	if err != nil {
		return err
	}
	if err := Tar(z, files, at); err != nil {
		return err
	}
	return z.Close()
}

// Tar writes files as a tar.
func Tar(w io.Writer, files []File, at time.Time) error {
	tw := tar.NewWriter(w)
	for _, f := range Sorted(files) {
		h := &tar.Header{
			Name: f.Name, Mode: tarMode(f.Mode), ModTime: at, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR,
			Uid: f.UID, Gid: f.UID,
		}
		var body []byte
		if f.Path == "" {
			h.Typeflag = tar.TypeDir
		} else {
			var err error
			if body, err = os.ReadFile(f.Path); err != nil {
				return err
			}
			h.Size = int64(len(body))
		}
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		if _, err := tw.Write(body); err != nil {
			return err
		}
	}
	return tw.Close()
}

// tarMode has the sticky bit where tar has it.
func tarMode(m fs.FileMode) int64 {
	bits := int64(m.Perm())
	if m&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return bits
}

// Zip writes files as a zip, without entries for directories.
func Zip(w io.Writer, files []File, at time.Time) error {
	zw := zip.NewWriter(w)
	for _, f := range Sorted(files) {
		if f.Path == "" {
			continue
		}
		body, err := os.ReadFile(f.Path)
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: f.Name, Method: zip.Deflate, Modified: at}
		h.SetMode(f.Mode)
		e, err := zw.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := e.Write(body); err != nil {
			return err
		}
	}
	return zw.Close()
}
