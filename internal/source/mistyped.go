package source

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"drayage/internal/guide"
	"drayage/internal/terminal"
)

// absent says that there is no file of a name, and what may be meant. It matches fs.ErrNotExist.
type absent struct{ text string }

func (a *absent) Error() string { return a.text }

// Is implements matching for errors.Is.
func (a *absent) Is(target error) bool { return target == fs.ErrNotExist }

// IsAbsent reports whether an error says that there is no file of a name.
func IsAbsent(err error) bool { return errors.As(err, new(*absent)) }

// mistyped returns an error if a name would be looked for on Docker Hub, though it looks like that of a file
// with a slip in it: nobody is asked for an image that was not meant.
func (s *Spec) mistyped() error {
	if s.Ref.Registry != "docker.io" || strings.Contains(s.Text, "docker.io/") || withHost.MatchString(s.Text) {
		return nil
	}
	hub := " (the image of Docker Hub is " + strings.TrimSuffix(s.Ref.String(), ":latest") + ")"
	kind := prefix.FindString(s.Text)
	path, _ := splitPath(strings.TrimPrefix(s.Text, kind))
	near := besides(path)
	if slip := kindSlip(s.Text); kind == "" && slip != "" {
		return &absent{noFile(s.Text, slip) + hub}
	}
	if near == "" && kind == "" && (!strings.Contains(path, "/") || !exists(filepath.Dir(path))) {
		return nil
	}
	return &absent{noFile(path, near) + hub}
}

// kindSlip is what a text with a kind before a path probably means if the kind has a slip in it and the path
// exists, or empty.
func kindSlip(text string) string {
	kind, rest, _ := strings.Cut(text, ":")
	if !kindBefore.MatchString(text) || prefix.MatchString(text) {
		return ""
	}
	near := guide.Slip(kind, slices.Sorted(maps.Keys(forms)))
	if path, _ := splitPath(rest); near == "" || !exists(path) {
		return ""
	}
	return near + ":" + rest
}

// Missing returns an error if a verb that takes files only has been given a name that no file has. It is nil
// if the name can only be that of an image: it has a registry, a tag or a digest.
func (s *Spec) Missing() error {
	if s.Kind != Registry || s.Ref.Registry != "docker.io" || strings.ContainsAny(s.Text, ":@") {
		return nil
	}
	return &absent{noFile(s.Text, besides(s.Text))}
}

// Kindless is what an image name means with its kind before it, if it begins with the path of a layout or an
// archive: oci:images:app:1 for images:app:1. Else it is empty.
func (s *Spec) Kindless() string {
	path, name := splitPath(s.Text)
	switch {
	case s.Kind != Registry || name == "" || !exists(path) || prefix.MatchString(s.Text):
		return ""
	case isLayout(path):
		return "oci:" + s.Text
	case archive.MatchString(path):
		return "docker-archive:" + s.Text
	}
	return ""
}

// noFile says that there is no file at a path, and which one may be meant.
func noFile(path, near string) string {
	text := fmt.Sprintf("no file or directory %q", path)
	if near != "" {
		text += ", did you mean " + terminal.Quote(near) + "?"
	}
	return text
}

// maxBesides is how many files of a directory are looked at: more are not searched for a slip.
const maxBesides = 10_000

// besides is a layout or archive in the directory of a path whose name is nearly that of the path, or empty.
func besides(path string) string {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return ""
	}
	defer dir.Close()
	entries, err := dir.ReadDir(maxBesides)
	if err != nil {
		return ""
	}
	var names []string
	for _, e := range entries {
		if archive.MatchString(e.Name()) || isLayout(filepath.Join(filepath.Dir(path), e.Name())) {
			names = append(names, e.Name())
		}
	}
	near := guide.Slip(filepath.Base(path), names)
	if near == "" || near == filepath.Base(path) {
		return ""
	}
	if filepath.Dir(path) == "." {
		return "./" + near
	}
	return filepath.Join(filepath.Dir(path), near)
}

func isLayout(dir string) bool {
	return exists(filepath.Join(dir, "index.json")) || exists(filepath.Join(dir, "manifest.json"))
}
