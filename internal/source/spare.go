package source

import (
	"os"
	"path/filepath"

	"drayage/registry"
)

// Spoiled returns the first of the inputs that a file written at out would spoil: the file of an archive or a
// list, or one of the files of a layout that say what it has. Without one it is empty. Inputs are as people
// type a SOURCE. Links do not hide a file.
func Spoiled(out string, inputs []string) string {
	there, err := os.Stat(out)
	if err != nil || !there.Mode().IsRegular() {
		return ""
	}
	for _, text := range inputs {
		noName := func(string) (registry.Reference, error) { return registry.Reference{}, nil }
		spec, _ := Parse(text, noName) // what is wrong with it is told when it is opened
		for _, path := range []string{text, spec.Path} {
			if path != "" && spoils(out, there, path) {
				return text
			}
		}
	}
	return ""
}

func spoils(out string, there os.FileInfo, path string) bool {
	for _, file := range []string{"", "index.json", "oci-layout"} {
		if fi, err := os.Stat(filepath.Join(path, file)); err == nil && os.SameFile(fi, there) {
			return true
		}
	}
	blobs, err := os.Stat(filepath.Join(path, "blobs"))
	if err != nil {
		return false
	}
	real, err := filepath.EvalSymlinks(out)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	for dir := filepath.Dir(real); err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if fi, err := os.Stat(dir); err == nil && os.SameFile(fi, blobs) {
			return true
		}
	}
	return false
}
