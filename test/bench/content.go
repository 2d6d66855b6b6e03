//go:build linux

package bench

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// created is fixed, so that the same machine gives the same bytes.
var created = time.Date(2024, time.May, 4, 12, 0, 0, 0, time.UTC)

// entry is a regular file of a tree, under the name that it gets in a tar.
type entry struct {
	path, name string
	size       int64
}

// trees yields the regular files below directories, in order, and again below another name, for as long as
// they are asked for.
func trees(roots ...string) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for round := 0; ; round++ {
			found := false
			for _, root := range roots {
				prefix := fmt.Sprintf("round%d%s", round, filepath.ToSlash(root))
				if !walk(root, prefix, func(e entry) bool { found = true; return yield(e) }) {
					return
				}
			}
			if !found {
				return
			}
		}
	}
}

func walk(root, prefix string, yield func(entry) bool) (more bool) {
	more = true
	filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // what this user may not read is not in the image
		}
		info, err := d.Info()
		if err != nil || !readable(file) {
			return nil
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return nil
		}
		if more = yield(entry{file, path.Join(prefix, filepath.ToSlash(rel)), info.Size()}); !more {
			return fs.SkipAll
		}
		return nil
	})
	return more
}

func readable(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// writeLayer writes a tar of files from next until it has size bytes.
func writeLayer(ctx context.Context, w io.Writer, next func() (entry, bool), size int64) error {
	tw := tar.NewWriter(w)
	for total := int64(0); total < size; {
		e, ok := next()
		if !ok {
			return fmt.Errorf("the directories hold no files")
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(e.size, size-total+1<<20) // the last one may be cut
		if err := writeEntry(tw, e, n); err != nil {
			return err
		}
		total += n + 512
	}
	return tw.Close()
}

func writeEntry(tw *tar.Writer, e entry, size int64) error {
	f, err := os.Open(e.path)
	if err != nil {
		return err
	}
	defer f.Close()
	header := &tar.Header{Name: e.name, Mode: 0o644, Size: size, ModTime: created}
	if err := tw.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.CopyN(tw, f, size)
	return err
}

// goRoot is where the Go tree is.
func goRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %v", err)
	}
	return strings.TrimSpace(string(out)), nil
}
