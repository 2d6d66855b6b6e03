package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"drayage/registry"
)

// sourceKind is where a SOURCE argument points.
type sourceKind int

const (
	fromRegistry sourceKind = iota
	fromLayout
	fromArchive
	fromStdin
)

// source is a SOURCE argument.
type source struct {
	text string // as given
	kind sourceKind
	path string             // of a layout or archive
	name string             // the image in it; empty means all
	ref  registry.Reference // of an image in a registry

	looked bool // nothing but what describes its images is needed
}

// parseSource tells what a SOURCE argument means: its kind if it begins with one, else what exists at that path,
// else an image name.
func parseSource(c *cli.Context, s string) (source, error) {
	src := source{text: s}
	if s == "-" {
		src.kind = fromStdin
		return src, nil
	}
	for prefix, kind := range map[string]sourceKind{"oci:": fromLayout, "oci-archive:": fromArchive, "docker-archive:": fromArchive} {
		if rest, ok := strings.CutPrefix(s, prefix); ok {
			src.kind = kind
			src.path, src.name = splitPath(rest)
			if _, err := os.Stat(src.path); err != nil {
				return src, missing(src.path, err)
			}
			return src, nil
		}
	}
	if fi, err := os.Stat(s); err == nil {
		src.path, src.kind = s, fromArchive
		if fi.IsDir() {
			src.kind = fromLayout
		}
		return src, nil
	}
	if looksLikePath(s) {
		return src, missing(s, fs.ErrNotExist)
	}
	ref, err := reference(c, s)
	if err != nil {
		return src, usagef("%v, and there is no file of that name", err)
	}
	src.ref = ref
	return src, nil
}

func missing(path string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// explain adds to an error about an image that may have been meant as a directory that no such thing is here either.
func (s source) explain(err error) error {
	unreached := errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrUnavailable) || errors.Is(err, registry.ErrDenied)
	if s.kind != fromRegistry || !unreached || strings.ContainsAny(s.text, ":@/") {
		return err
	}
	return fmt.Errorf("%w; nor is there a file or directory of that name", err)
}

// splitPath divides PATH[:NAME]. A path that exists as it stands has no name; the colon of a Windows drive
// divides nothing.
func splitPath(s string) (path, name string) {
	if _, err := os.Stat(s); err == nil {
		return s, ""
	}
	skip := 0
	if hasDrive(s) {
		skip = 2
	}
	before, after, _ := strings.Cut(s[skip:], ":")
	return s[:skip] + before, after
}

func hasDrive(s string) bool {
	return len(s) > 2 && s[1] == ':' && (s[2] == '\\' || s[2] == '/') && (s[0]|0x20 >= 'a' && s[0]|0x20 <= 'z')
}

// looksLikePath tells names of files that are not there from names of images.
func looksLikePath(s string) bool {
	if hasDrive(s) || strings.Contains(s, `\`) || filepath.IsAbs(s) || strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../") {
		return true
	}
	switch strings.ToLower(filepath.Ext(s)) {
	case ".tar", ".tgz", ".gz", ".zst", ".xz", ".bz2":
		return true
	}
	return false
}
