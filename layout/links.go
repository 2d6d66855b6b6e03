package layout

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// checkLinks refuses a layout if one of its parts is a link that leads out of its directory. Nothing behind
// such a link can be opened, and the system would only say that a path escapes.
func checkLinks(root *os.Root) error {
	for _, name := range []string{
		v1.ImageLayoutFile, v1.ImageIndexFile, v1.ImageBlobsDir, v1.ImageBlobsDir + "/sha256", workDir,
	} {
		fi, err := root.Lstat(name)
		if err != nil || fi.Mode().Type() != fs.ModeSymlink {
			continue
		}
		if _, err = root.Stat(name); err == nil || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		to, _ := root.Readlink(name)
		return fmt.Errorf("%s is a link to %q, and what is outside of the layout is not read or written: "+
			"put the file or directory itself there", name, to)
	}
	return nil
}
