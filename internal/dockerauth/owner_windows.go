package dockerauth

import (
	"io/fs"
	"os"
)

// keepOwner does nothing: a new file gets what its directory hands down.
func keepOwner(*os.File, fs.FileInfo) {}
