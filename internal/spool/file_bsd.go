//go:build unix && !linux

package spool

import "os"

func anonymous(dir string) (*os.File, error) { return unlinked(dir) }
