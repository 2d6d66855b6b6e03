package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/durable"
	"drayage/internal/kind"
	"drayage/layout"
	"drayage/registry"
)

// Folder lists the archives and layouts in a folder, in order, if a SOURCE is a folder of them. An archive in
// volumes is its set file. What is being written under another name, such as x.tar.partial, is none.
func Folder(s Spec) (items []Spec, is bool, err error) {
	dir, ok := s.folder()
	if !ok {
		return nil, false, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, true, fmt.Errorf("%s: %w", dir, durable.Cause(err))
	}
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		item := Spec{Text: path, Path: path, Kind: Archive}
		fi, err := os.Stat(path)
		switch {
		case err != nil || strings.HasPrefix(e.Name(), "."):
			continue
		case fi.IsDir() && holdsIndex(path):
			item.Kind = Layout
		case !fi.Mode().IsRegular() || !isItem(e.Name(), names):
			continue
		}
		if items = append(items, item); len(items) > maxItems {
			return nil, true, kind.Errorf(registry.ErrNotFound, "%s has more than %d archives", dir, maxItems)
		}
	}
	return items, true, nil
}

// maxItems bounds how many archives and layouts a folder may have.
const maxItems = 1000

// wholeArchive is the end of the name of an archive in one piece.
var wholeArchive = regexp.MustCompile(`(?i)\.(tar|t[gx]z|tzst|tar\.(gz|zst|xz|bz2))$`)

// isItem reports whether a file in a folder is named like an archive. The set file stands for its volumes; a
// joined or undivided archive stands for its set file.
func isItem(name string, names map[string]bool) bool {
	if hasSetName(name) {
		return !names[strings.TrimSuffix(name, filepath.Ext(name))]
	}
	return wholeArchive.MatchString(name)
}

// folder is the directory that a SOURCE names, if that holds no image itself.
func (s Spec) folder() (dir string, is bool) {
	if s.Name != "" || s.Kind != Layout && s.Kind != Archive {
		return "", false
	}
	dir = s.Path
	if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
		dir = filepath.Dir(s.Path) // Parse takes a folder with one set file for that
		if given := prefix.ReplaceAllString(s.Text, ""); !sameDir(dir, given) {
			return "", false
		}
	}
	if _, err := layout.New(os.DirFS(dir)); err == nil || isOne(dir) {
		return "", false
	}
	return dir, true
}

func sameDir(dir, given string) bool {
	a, err := os.Stat(dir)
	b, berr := os.Stat(given)
	return err == nil && berr == nil && b.IsDir() && os.SameFile(a, b)
}

// isOne reports whether a directory has what describes one image, or is known to be something else.
func isOne(dir string) bool {
	has := func(name string) bool { return exists(filepath.Join(dir, name)) }
	if slices.ContainsFunc([]string{v1.ImageLayoutFile, "manifest.json", "repositories"}, has) {
		return true
	}
	return slices.ContainsFunc(foreignFolders, func(f foreignFolder) bool {
		return !slices.ContainsFunc(f.files, func(name string) bool { return !has(name) })
	})
}

// holdsIndex reports whether a directory looks like a layout.
func holdsIndex(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, v1.ImageIndexFile))
	return err == nil || !errors.Is(err, fs.ErrNotExist)
}
