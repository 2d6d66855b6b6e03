package dockerarchive

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"drayage/internal/jsonkeys"
	"drayage/internal/verify"
)

// noImage says what an archive is that has neither a manifest.json nor what a v1 archive has.
func (a *Reader) noImage() error {
	switch {
	case a.tar.Has("oci-layout") && a.tar.Has("index.json"):
		return fmt.Errorf("%w by docker: it is an OCI archive without manifest.json", ErrNotImage)
	case a.tar.Has("oci-layout"):
		return fmt.Errorf("%w: it has oci-layout but no index.json: part of an OCI layout is missing", ErrNotImage)
	case a.tar.Has("index.json") && a.hasPart("", "blobs"):
		return fmt.Errorf("%w: it has index.json but no oci-layout: part of an OCI layout is missing", ErrNotImage)
	case a.tar.Has("repositories"):
		return fmt.Errorf("%w: it has the file repositories and nothing else of an image", ErrNotImage)
	case a.tar.Empty():
		return fmt.Errorf("%w: the archive is empty", ErrNotImage)
	}
	for _, in := range a.tar.Around() {
		switch {
		case a.tar.Has(path.Join(in, "Chart.yaml")):
			return fmt.Errorf("%w: it is a Helm chart", ErrNotImage)
		case a.isRootFS(in):
			return fmt.Errorf("%w: it is a root filesystem, as docker export and buildkit's type=tar make; docker save makes images", ErrNotImage)
		}
	}
	inner := ""
	for name := range a.tar.Below("") {
		if s := path.Ext(name); (s == ".tar" || s == ".tgz" || strings.HasSuffix(name, ".tar.gz")) && (inner == "" || name < inner) {
			inner = name
		}
	}
	if inner != "" {
		return fmt.Errorf("%w: it has no manifest.json, but another archive in it, %q: unpack that first", ErrNotImage, inner)
	}
	return fmt.Errorf("%w: the archive has no manifest.json", ErrNotImage)
}

// hasPart reports whether a directory has one of these in it, as a file or as a directory.
func (a *Reader) hasPart(in string, parts ...string) bool {
	for name := range a.tar.Below(in) {
		if first, _, _ := strings.Cut(name, "/"); slices.Contains(parts, first) {
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
		return nil, verify.Mismatchf("manifest.json lists more than %d images", maxImages)
	case err == nil:
		if err := jsonkeys.Unique(raw); err != nil {
			return nil, verify.Mismatchf("manifest.json is ambiguous: %v", err)
		}
		return items, nil
	case !errors.As(err, &other):
		return nil, verify.Mismatchf("manifest.json: %v", err)
	case a.tar.Has("version"):
		return nil, fmt.Errorf("%w: it is a directory of skopeo's (dir:): copy it with skopeo to oci-archive: first", ErrNotImage)
	}
	return nil, fmt.Errorf("%w: its manifest.json is no list of images, as docker save writes it", ErrNotImage)
}
