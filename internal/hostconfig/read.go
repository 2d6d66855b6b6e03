package hostconfig

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// maxFile bounds every file that is read: the bundle of all public CAs has some 250 KB.
const maxFile = 1 << 20

// readFile returns the content of a regular file. Its errors name the file.
func readFile(name string) ([]byte, error) {
	// Opening a pipe would wait for its other end, so what it is must be known before.
	fi, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	return raw, nil
}

// exists reports whether there is a file or directory of that name where this user can see it.
func exists(name string) bool {
	_, err := os.Stat(name)
	return !absent(err)
}

// isDir reports whether there is a directory of that name where this user can see it.
func isDir(name string) bool {
	fi, err := os.Stat(name)
	return err == nil && fi.IsDir()
}

// absent reports whether err means that there is nothing that this user could see.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}
