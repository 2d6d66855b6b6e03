package dockerarchive

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// noImage says what an archive is that is neither a docker tar nor a v1 archive.
func (a *Reader) noImage() error { return fmt.Errorf("%w%s", ErrNotImage, a.what()) }

// what says it in words that follow "not a saved image".
func (a *Reader) what() string {
	names := slices.Sorted(a.tar.Below(""))
	switch {
	case a.tar.Has("oci-layout") && a.tar.Has("index.json"):
		return " by docker: it is an OCI archive without manifest.json"
	case a.tar.Has("oci-layout"):
		return ": it has oci-layout but no index.json: part of an OCI layout is missing"
	case a.tar.Has("index.json") && a.hasPart("", "blobs"):
		return ": it has index.json but no oci-layout: part of an OCI layout is missing"
	case a.tar.Has("repositories"):
		return ": it has the file repositories and nothing else of an image"
	case len(names) == 0:
		return ": the archive is empty"
	}
	for _, dir := range a.tar.Around() {
		switch {
		case a.tar.Has(path.Join(dir, "Chart.yaml")):
			return ": it is a Helm chart"
		case a.hasPart(dir, "bin", "etc", "usr", ".dockerenv"):
			return ": it is a root filesystem, as docker export and buildkit's type=tar make; docker save makes images"
		}
	}
	if i := slices.IndexFunc(names, isArchive); i >= 0 {
		return fmt.Sprintf(": it has no manifest.json, but another archive in it, %q: unpack that first", names[i])
	}
	return ": the archive has no manifest.json"
}

// hasPart reports whether a directory has one of these in it, as a file or as a directory.
func (a *Reader) hasPart(dir string, parts ...string) bool {
	for name := range a.tar.Below(dir) {
		if first, _, _ := strings.Cut(name, "/"); slices.Contains(parts, first) {
			return true
		}
	}
	return false
}

func isArchive(name string) bool {
	return path.Ext(name) == ".tar" || path.Ext(name) == ".tgz" || strings.HasSuffix(name, ".tar.gz")
}
