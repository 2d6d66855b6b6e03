//go:build !linux

package durable

import "os"

// Forget lets the system forget what it holds of a file in memory, so that what is read next comes from the
// disk. It does nothing here.
func Forget(*os.File) {}
