package repair

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"drayage/internal/durable"
	"drayage/internal/limits"
	"drayage/internal/volume"
)

// beside are the set file and its signatures, by name, as far as they are not where all is written that is
// mended. They are read before the work, so that what is wrong with them shows then.
func (r *Repair) beside(setFile string) (map[string]string, error) {
	files := map[string]string{}
	if r.opts.Out == "" {
		return files, nil
	}
	name := volume.SetName(r.set.Name)
	for _, end := range []string{"", ".minisig", ".sig"} {
		if _, err := os.Lstat(filepath.Join(r.opts.Out, name+end)); err == nil {
			continue
		}
		if end == "" {
			files[name] = string(r.opts.Raw)
			continue
		}
		raw, err := durable.ReadRegular(setFile+end, limits.Signature)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[name+end] = string(raw)
	}
	return files, nil
}
