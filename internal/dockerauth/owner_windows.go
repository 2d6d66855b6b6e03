package dockerauth

import (
	"io/fs"
	"os"
)

// keepOwner does nothing: a new file inherits from its directory.
func keepOwner(*os.File, fs.FileInfo) {}
