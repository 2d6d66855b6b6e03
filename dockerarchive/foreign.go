package dockerarchive

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"drayage/internal/jsonkeys"
)

// foreign says what an archive is that has neither a manifest.json nor layers of an early Docker.
func (a *Reader) foreign() error {
	switch {
	case a.has("oci-layout", "index.json"):
		return fmt.Errorf("%w by docker: it is an OCI archive without manifest.json", ErrNotImage)
	case a.has("oci-layout"):
		return fmt.Errorf("%w: it has oci-layout but no index.json: part of an OCI layout is missing", ErrNotImage)
	case a.has("index.json") && a.hasPart("", "blobs"):
		return fmt.Errorf("%w: it has index.json but no oci-layout: part of an OCI layout is missing", ErrNotImage)
	case a.has("repositories"):
		return fmt.Errorf("%w: it has the file repositories and nothing else of an image", ErrNotImage)
	case a.entries.count == 0:
		return fmt.Errorf("%w: the archive is empty", ErrNotImage)
	}
	in := ""
	for _, next := range append([]string{""}, a.outer()...) {
		in = path.Join(in, next)
		switch {
		case a.has(path.Join(in, "Chart.yaml")):
			return fmt.Errorf("%w: it is a Helm chart", ErrNotImage)
		case a.isRootFS(in):
			return fmt.Errorf("%w: it is a root filesystem, as docker export and buildkit's type=tar make; docker save makes images", ErrNotImage)
		}
	}
	inner := ""
	for name := range a.each() {
		if s := path.Ext(name); (s == ".tar" || s == ".tgz" || strings.HasSuffix(name, ".tar.gz")) && (inner == "" || name < inner) {
			inner = name
		}
	}
	if inner != "" {
		return fmt.Errorf("%w: it has no manifest.json, but another archive in it, %q: unpack that first", ErrNotImage, inner)
	}
	return fmt.Errorf("%w: the archive has no manifest.json", ErrNotImage)
}

// outer lists the directories, one in the other, that all files are in.
func (a *Reader) outer() []string {
	dirs := strings.Split(a.common(), "/")
	return dirs[:min(len(dirs), maxWrapping)]
}

func (a *Reader) has(names ...string) bool {
	return !slices.ContainsFunc(names, func(n string) bool { return !a.entries.has(a.inArchive(n)) })
}

// hasPart reports whether a directory has one of these in it, as a file or as a directory.
func (a *Reader) hasPart(in string, parts ...string) bool {
	for name := range a.each() {
		inside := in == ""
		if !inside {
			name, inside = strings.CutPrefix(name, in+"/")
		}
		if first, _, _ := strings.Cut(name, "/"); inside && slices.Contains(parts, first) {
			return true
		}
	}
	return false
}

// isRootFS reports whether a directory looks like the root of a Linux system.
func (a *Reader) isRootFS(in string) bool { return a.hasPart(in, "bin", "etc", "usr", ".dockerenv") }

// parseItems reads a manifest.json.
func (a *Reader) parseItems(raw []byte) ([]manifestItem, error) {
	var items []manifestItem
	err := json.Unmarshal(raw, &items)
	var other *json.UnmarshalTypeError
	switch {
	case err == nil && len(items) > maxImages:
		return nil, wrongf("manifest.json lists more than %d images", maxImages)
	case err == nil:
		if err := jsonkeys.Unique(raw); err != nil {
			return nil, wrongf("manifest.json is ambiguous: %v", err)
		}
		return items, nil
	case !errors.As(err, &other):
		return nil, wrongf("manifest.json: %v", err)
	case a.has("version"):
		return nil, fmt.Errorf("%w: it is a directory of skopeo's (dir:): copy it with skopeo to oci-archive: first", ErrNotImage)
	}
	return nil, fmt.Errorf("%w: its manifest.json is no list of images, as docker save writes it", ErrNotImage)
}
