package repair

import (
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"strings"

	"drayage/internal/limits"
	"drayage/internal/volume"
)

// maxSets is how many set files in a folder are asked what they list.
const maxSets = 64

// others knows which files are volumes of other archives. Those keep their names, whatever is in them.
type others struct {
	set   *volume.Set
	known map[string][]*volume.Set // by folder
}

// own reports whether a file is a volume of another archive under its right name.
func (o *others) own(path string) bool {
	dir, name := filepath.Split(path)
	if _, ok := o.known[dir]; !ok {
		o.known[dir] = o.read(dir)
	}
	for _, other := range o.known[dir] {
		for i := range other.Len() {
			if other.FileName(i) == name && begins(path, other, i) {
				return true
			}
		}
	}
	return false
}

// read reads the set files of other archives in a folder.
func (o *others) read(dir string) (all []*volume.Set) {
	files, _ := filepath.Glob(filepath.Join(escape(dir), "*.[sS][eE][tT]"))
	for _, file := range files[:min(len(files), maxSets)] {
		if fi, err := os.Lstat(file); err != nil || !fi.Mode().IsRegular() || fi.Size() > limits.SetFile {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if set, err := volume.Parse(raw); err == nil && set.Name != o.set.Name {
			all = append(all, set)
		}
	}
	return all
}

// escape lets a folder stand for itself in a pattern.
func escape(dir string) string {
	if filepath.Separator == '\\' {
		return dir
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// begins reports whether a file has the size and the first block of volume i.
func begins(path string, set *volume.Set, i int) bool {
	f, err := os.Open(path)
	if err != nil {
		return true // nobody knows: it is left alone
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || fi.Size() != set.At(i).Size {
		return err != nil
	}
	_, size, want := set.BlockAt(i, 0)
	h := sha256.New()
	_, err = io.CopyN(h, f, size)
	return err != nil || [sha256.Size]byte(h.Sum(nil)) == want
}
