package mirrorconf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"drayage/internal/durable"
	"drayage/internal/usage"
)

// maxOld bounds what is read of a file that is in the place of a new one.
const maxOld = 1 << 20

// Write puts the files of parts into a folder, which it makes if it is not there, and enters which of them it
// has replaced. A file that somebody else has written is an error, and then nothing is written.
func Write(dir string, parts []Part) error {
	content := map[string]string{}
	for _, p := range parts {
		for i := range p.Files {
			f := &p.Files[i]
			name := filepath.Join(dir, filepath.FromSlash(f.Path))
			old, err := durable.ReadRegular(name, maxOld)
			same := err == nil && string(old) == f.Content
			switch f.Replaced = err == nil && !same; {
			case err != nil && !errors.Is(err, fs.ErrNotExist):
				return fmt.Errorf("%s: %w", name, durable.Cause(err))
			case f.Replaced && !ours(f.Path, old):
				return usage.Errorf("%s is there, and drayage did not write it: remove it, or give another folder "+
					"with -o", name)
			case !same:
				content[f.Path] = f.Content
			}
		}
	}
	if len(content) == 0 {
		return nil
	}
	return durable.WriteAll(dir, content)
}

// ours reports whether drayage may have written a file. Those that hold no comment are told by their form.
func ours(name string, old []byte) bool {
	switch path.Ext(name) {
	case ".crt":
		return strings.HasPrefix(string(old), "-----BEGIN CERTIFICATE-----")
	case ".json":
		var keys map[string]json.RawMessage
		err := json.Unmarshal(old, &keys)
		delete(keys, "registry-mirrors")
		delete(keys, "insecure-registries")
		return err == nil && len(keys) == 0
	}
	return strings.Contains(string(old), written)
}
