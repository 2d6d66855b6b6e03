// Package durable makes files appear whole or not at all, and stay there after a power cut. It writes a
// file under another name, syncs it, renames it, and syncs the directory. All names are inside an os.Root,
// so that a planted symbolic link cannot lead out of it. [CreateOutput] and [ResumeOutput] begin a large
// file, [WriteFile] writes a small one.
package durable

import (
	"errors"
	"os"
	"path"
	"runtime"
	"syscall"
)

// Replace gives the file tmp, which the caller has written and synced, its final name.
func Replace(root *os.Root, tmp, name string) error {
	if err := root.Rename(tmp, name); err != nil {
		return err
	}
	return SyncDir(root, path.Dir(name))
}

// WriteFile writes a small file by way of tmp. On error the file called name is what it was.
func WriteFile(root *os.Root, tmp, name string, data []byte) error {
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	return Fill(root, f, tmp, name, data)
}

// Fill writes all of a small file to f, which is open as tmp, and gives it its final name. It closes f. On
// error it removes tmp.
func Fill(root *os.Root, f *os.File, tmp, name string, data []byte) (err error) {
	defer func() {
		if err != nil {
			root.Remove(tmp)
		}
	}()
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return Replace(root, tmp, name)
}

// SyncDir makes the names in a directory durable. It is no error if the system cannot do that.
func SyncDir(root *os.Root, dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be opened for syncing; NTFS journals its names
	}
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.EBADF) {
		return nil
	}
	return err
}
