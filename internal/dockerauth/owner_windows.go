package dockerauth

import (
	"io/fs"
	"os"
)

// keepOwner does nothing: a new file gets its rights from its directory.
func keepOwner(*os.File, fs.FileInfo) {}
