//go:build linux

package pairs

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// look notes what the files of a tree are like.
func look(dir string) (map[string]string, error) {
	all := map[string]string{}
	err := walk(dir, func(name string, info fs.FileInfo) error {
		all[name] = like(info)
		return nil
	})
	return all, err
}

// like says what a builder looks at to find out whether a file has changed.
func like(info fs.FileInfo) string {
	if info.IsDir() {
		return fmt.Sprint(info.Mode())
	}
	return fmt.Sprint(info.Mode(), info.Size(), info.ModTime().UnixNano())
}

// walk goes through a tree in order. Names are relative.
func walk(dir string, visit func(name string, info fs.FileInfo) error) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		switch {
		case err != nil:
			return err
		case name == ".":
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode()&(fs.ModeSocket|fs.ModeDevice) != 0 {
			return nil
		}
		err = visit(name, info)
		if err == nil && d.IsDir() && (name == "proc" || name == "sys" || name == "dev") {
			return fs.SkipDir
		}
		return err
	})
}

// layer writes a tree as Docker writes a layer: in order, with whole seconds, and hard links as such.
func (t tree) layer(to string) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	w := tar.NewWriter(f)
	links := map[uint64]string{}
	err = walk(t.dir, func(name string, info fs.FileInfo) error {
		if t.without[name] == like(info) {
			return nil
		}
		return t.add(w, name, info, links)
	})
	return errors.Join(err, w.Close(), f.Close())
}

func (t tree) add(w *tar.Writer, name string, info fs.FileInfo, links map[uint64]string) error {
	path, target := filepath.Join(t.dir, name), ""
	if info.Mode()&fs.ModeSymlink != 0 {
		target, _ = os.Readlink(path)
	}
	h, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	h.Name, h.Uname, h.Gname = t.prefix+name, "", ""
	h.ModTime, h.AccessTime, h.ChangeTime = info.ModTime().Truncate(time.Second), time.Time{}, time.Time{}
	if !t.mtime.IsZero() {
		h.ModTime, h.Mode = t.mtime, h.Mode|0o200
	}
	if info.IsDir() {
		h.Name += "/"
	}
	if s := info.Sys().(*syscall.Stat_t); info.Mode().IsRegular() && s.Nlink > 1 {
		if first, ok := links[s.Ino]; ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
		} else {
			links[s.Ino] = h.Name
		}
	}
	if err := w.WriteHeader(h); err != nil || h.Typeflag != tar.TypeReg {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// unlike writes the files of one tar whose content another one does not have, one behind the other.
func unlike(old, new string, to io.Writer) error {
	has := map[[32]byte]bool{}
	err := contents(old, func(raw []byte) error {
		has[sha256.Sum256(raw)] = true
		return nil
	})
	if err != nil {
		return err
	}
	return contents(new, func(raw []byte) error {
		if has[sha256.Sum256(raw)] {
			return nil
		}
		_, err := to.Write(raw)
		return err
	})
}

// contents visits the files of a tar.
func contents(name string, visit func(raw []byte) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		if _, err := r.Next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		raw, err := io.ReadAll(r)
		if err == nil {
			err = visit(raw)
		}
		if err != nil {
			return err
		}
	}
}
