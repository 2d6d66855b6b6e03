package durable

import (
	"maps"
	"os"
	"path"
	"slices"
)

// WriteAll writes small files into a directory, which it makes if it is not there, and those below it that
// names with slashes need. Files that are there are replaced.
func WriteAll(dir string, files map[string]string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := root.MkdirAll(path.Dir(name), 0o777); err != nil {
			return err
		}
		f, tmp, err := OpenOwn(root, name+".partial", 0o666)
		if err != nil {
			return err
		}
		if err := Fill(root, f, tmp, name, []byte(files[name])); err != nil {
			return err
		}
	}
	return nil
}
