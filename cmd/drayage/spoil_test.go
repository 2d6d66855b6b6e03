package main

import (
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// spoil changes the last byte of the largest blob of a layout, or of its largest layer.
func spoil(ts *testscript.TestScript, _ bool, args []string) {
	blobs, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "blobs", "sha256", "*"))
	ts.Check(err)
	var largest string
	var size int64 = -1
	layer := len(args) > 1 && args[1] == "layer"
	for _, b := range blobs {
		fi, err := os.Stat(b)
		ts.Check(err)
		if raw, err := os.ReadFile(b); layer && (err != nil || raw[0] == '{') {
			continue
		}
		if fi.Size() > size {
			largest, size = b, fi.Size()
		}
	}
	raw, err := os.ReadFile(largest)
	ts.Check(err)
	raw[len(raw)-1] ^= 1
	ts.Check(os.WriteFile(largest, raw, 0o644))
}
