//go:build linux

package pairs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// last is the commit whose program is the new one. It is fixed, so that figures can be compared.
const last = "15a74fe"

func (w *work) program14() (old, new tree, err error) { return w.programs(14) }
func (w *work) program74() (old, new tree, err error) { return w.programs(74) }

// programs are drayage some commits before the last one, and at it.
func (w *work) programs(before int) (old, new tree, err error) {
	if old, err = w.program(before); err == nil {
		new, err = w.program(0)
	}
	return old, new, err
}

func (w *work) program(before int) (tree, error) {
	dir, err := w.once(fmt.Sprint("program-", before), func(dir string) error {
		source, err := os.MkdirTemp(w.dir, "source-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(source)
		commit := fmt.Sprintf("%s~%d", last, before)
		_, err = w.output("", "sh", "-c", `git -C "$1" archive "$2" | tar -x -C "$3"`, "-", w.repo, commit, source)
		if err == nil {
			_, err = w.output(source, "env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-buildvcs=false",
				"-ldflags=-s -w", "-o", filepath.Join(dir, "drayage"), "./cmd/drayage")
		}
		return err
	})
	return tree{dir: dir, prefix: "usr/bin/", mtime: day(before)}, err
}

func day(before int) time.Time {
	return time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, -before)
}

func (w *work) golang() (old, new tree, err error) {
	if old, err = w.toolchain("1.26.6", 30); err == nil {
		new, err = w.toolchain("1.26.7", 0)
	}
	return old, new, err
}

func (w *work) renamed() (old, new tree, err error) {
	old, new, err = w.golang()
	new.prefix = "opt/go-1.26.7/"
	return old, new, err
}

// toolchain is a release of Go, as the Go command downloads it.
func (w *work) toolchain(version string, before int) (tree, error) {
	at, err := w.once("empty", func(string) error { return nil })
	if err != nil {
		return tree{}, err
	}
	module := "golang.org/toolchain@v0.0.1-go" + version + ".linux-amd64"
	out, err := w.output(at, "go", "mod", "download", "-json", module)
	var m struct{ Dir string }
	if err == nil {
		err = json.Unmarshal([]byte(out), &m)
	}
	return tree{dir: m.Dir, prefix: "usr/local/go/", mtime: day(before)}, err
}

// output runs a command and returns what it prints.
func (w *work) output(dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(w.ctx, name, args...)
	var said bytes.Buffer
	cmd.Dir, cmd.Stderr = dir, &said
	out, err := cmd.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return "", fmt.Errorf("%s: %w: %s", name, err, lines[len(lines)-1])
	}
	return strings.TrimSpace(string(out)), nil
}
