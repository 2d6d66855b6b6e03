package source

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"drayage/internal/durable"
	"drayage/internal/kind"
	"drayage/internal/limits"
	"drayage/internal/volume"
	"drayage/registry"
)

// called is the set file of a name in a folder, or empty. A file of just this name is one even if nothing in
// it looks like one: it is damaged then. Some file systems change the case of names.
func called(dir, name string) string {
	file := filepath.Join(dir, name)
	if fi, err := os.Stat(file); err == nil && fi.Mode().IsRegular() {
		return file
	}
	for _, other := range namesIn(dir) {
		if file := filepath.Join(dir, other); strings.EqualFold(other, name) && isSetFile(file) {
			return file
		}
	}
	return ""
}

// namesIn lists a folder in order. What cannot be listed is empty. Of a very large one it lists a part, and
// all names of set files.
func namesIn(dir string) []string {
	if dir == "" {
		dir = "."
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(maxBesides)
	for looked := len(names); looked < maxNames; {
		more, err := d.Readdirnames(1024)
		for _, name := range more {
			if hasSetName(name) && len(names) < 2*maxBesides {
				names = append(names, name)
			}
		}
		if looked += len(more); err != nil {
			break
		}
	}
	slices.Sort(names)
	return names
}

// maxNames is how many names of a folder are looked at for those of set files.
const maxNames = 1_000_000

// setsIn lists the set files in a folder. Of equal ones it lists the first. If none has the name of one, the
// only file that is one by its content will do.
func setsIn(dir string) (files []string) {
	names := namesIn(dir)
	known := map[[sha256.Size]byte]bool{}
	for _, named := range []bool{true, false} {
		for _, name := range names {
			if hasSetName(name) != named {
				continue
			}
			file := filepath.Join(dir, name)
			if !isSetFile(file) {
				continue
			}
			raw, err := readSetFile(file)
			sum := sha256.Sum256(raw)
			if err == nil && known[sum] {
				continue
			}
			if len(files) == maxListed {
				return files
			}
			known[sum] = err == nil
			files = append(files, file)
		}
		if len(files) > 0 {
			return files
		}
	}
	return nil
}

func hasSetName(path string) bool {
	return strings.EqualFold(filepath.Ext(path), volume.SetSuffix)
}

// isSetFile reports whether a path is that of a set file: by its content, or else by its name and its first
// character, so that a damaged one is known as such.
func isSetFile(path string) bool {
	fi, err := os.Stat(path)
	if err != nil || !fi.Mode().IsRegular() || fi.Size() > limits.SetFile && !hasSetName(path) {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return hasSetName(path) // who opens it says why
	}
	defer f.Close()
	head := make([]byte, 256)
	n, err := io.ReadFull(f, head)
	head = bytes.TrimLeft(head[:n], "\ufeff \t\r\n")
	if !hasSetName(path) {
		return bytes.HasPrefix(head, []byte("{")) && bytes.Contains(head, []byte(`"`+volume.MediaType+`"`))
	}
	return bytes.HasPrefix(head, []byte("{")) ||
		err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && err != io.EOF
}

// leftBehind says that a folder has volumes and no set file. It is nil if there are none.
func leftBehind(dir string, names []string) error {
	var found []string
	archive := ""
	for _, name := range names {
		m := volumeName.FindStringSubmatch(name)
		if m == nil || archive != "" && m[1] != archive || !divided.MatchString(name) {
			continue
		}
		archive = m[1]
		found = append(found, name)
	}
	if len(found) == 0 {
		return nil
	}
	more := ""
	if len(found) > 1 {
		more = " ..."
	}
	return kind.Errorf(registry.ErrNotFound, "%s has volumes of %s (%s%s) and no set file %s: "+
		"copy it there too, every medium has one (of what split has cut, join all parts first)",
		filepath.Clean(dir), archive, found[0], more, volume.SetName(archive))
}

// readSetFile reads a set file. Of one that is too large it reads enough to show that.
func readSetFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, durable.Cause(err))
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limits.SetFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, durable.Cause(err))
	}
	return raw, nil
}
