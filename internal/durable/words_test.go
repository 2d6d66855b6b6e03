package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
)

func TestWorded(t *testing.T) {
	denied := fs.ErrPermission
	for want, err := range map[string]error{
		"rm: d: cannot open index.json: permission denied": fmt.Errorf("rm: d: %w",
			&fs.PathError{Op: "openat", Path: "index.json", Err: denied}),
		"cannot write .drayage/index.json.X: permission denied": &fs.PathError{
			Op: "openat", Path: ".drayage/index.json.X", Err: denied},
		"cannot write index.json: permission denied": &os.LinkError{
			Op: "renameat", Old: ".drayage/index.json.X", New: "index.json", Err: denied},
		"cannot remove x: permission denied": errors.Join(&fs.PathError{Op: "unlinkat", Path: "x", Err: denied}),
		"frobnicate x: permission denied":    &fs.PathError{Op: "frobnicate", Path: "x", Err: denied},
		"openat is a word":                   errors.New("openat is a word"),
	} {
		if got := Worded(err.Error(), err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
