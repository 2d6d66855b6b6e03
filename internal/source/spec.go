// Package source opens what people mean by a SOURCE: an image name, a layout, or an archive, with or
// without the name of one image in it. [Parse] tells what the text means. [Spec.Open] opens it as a [Set]
// of images, whose blobs can be read until the set is closed. All commands open a SOURCE so. Only fetch,
// and save of an image in a registry, leave reading to package fetch.
//
// The package prints nothing. [Set.Remarks] has what users should know of the images. [Options.Note] is
// told of copies, which take time and room. Errors about a SOURCE that makes no sense are of type
// [usage.Error]. Whatever can be read at any place, as an io.ReaderAt with a size, can be an archive: only
// opening a path is about files.
package source

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"drayage/internal/durable"
	"drayage/internal/secrets"
	"drayage/internal/usage"
	"drayage/registry"
)

// Kind is where a SOURCE points.
type Kind int

// The kinds of sources.
const (
	Registry Kind = iota
	Layout        // a directory
	Archive       // a file
	Stdin         // an archive on standard input
)

// Spec is what a SOURCE means.
type Spec struct {
	Text string // as it was typed
	Kind Kind
	Path string             // of a layout or an archive
	Name string             // of an image in it; empty means all
	Ref  registry.Reference // of an image in a registry
}

// prefix may stand before a path. An image may be called like some, which count only if the path exists.
var prefix = regexp.MustCompile(
	`^(?:(oci|oci-archive|docker-archive)|dir|oci-layout|oci-dir|ocidir|ocifile|file):`)

// Parse tells what a SOURCE means: its kind if it begins with one, else what exists at that path, else an
// image name, which reference reads.
func Parse(text string, reference func(string) (registry.Reference, error)) (Spec, error) {
	if text == "-" {
		return Spec{Text: text, Kind: Stdin}, nil
	}
	s, isName := Spec{Text: text}, withHost.MatchString(text)
	if !isName {
		if found, err := s.local(); found {
			return s, err
		}
	}
	var err error
	if s.Ref, err = reference(text); err == nil {
		return s, s.mistyped()
	}
	if _, path, _ := strings.Cut(text, "://"); isName && s.at(path) == nil { // oci://DIR
		return s, nil
	}
	if m := prefix.FindString(text); m != "" && !isName {
		path, _ := splitPath(text[len(m):])
		return s, &absent{noFile(path, besides(path))}
	}
	if errors.As(err, new(*usage.Error)) {
		return s, err
	}
	if meant := s.Kindless(); meant != "" {
		return s, usage.Errorf("%v: did you mean %s?", err, meant)
	}
	return s, usage.Errorf("%v, and there is no file of that name", err)
}

// local finds out which path a SOURCE means, if it means one.
func (s *Spec) local() (found bool, err error) {
	if m := prefix.FindStringSubmatch(s.Text); m != nil {
		rest := s.Text[len(m[0]):]
		if err := s.at(rest); err == nil || m[1] != "" || strings.HasPrefix(rest, "//") {
			return true, err
		}
	}
	if s.stat(s.Text) == nil {
		return true, nil
	}
	return looksLikePath(s.Text), missing(s.Text, fs.ErrNotExist)
}

// at takes PATH[:NAME], or what follows the scheme of a URL: ///DIR, ///C:/my%20images, and //FILE of dive.
func (s *Spec) at(text string) (err error) {
	texts := []string{text}
	if bare := strings.TrimLeft(text, "/"); drive.MatchString(bare) {
		texts = append(texts, bare)
	} else if rest, ok := strings.CutPrefix(text, "//"); ok {
		texts = append(texts, rest)
	}
	if plain, err := url.PathUnescape(texts[len(texts)-1]); err == nil && plain != text {
		texts = append(texts, plain)
	}
	for i, t := range slices.Backward(texts) {
		if path, name := splitPath(t); i == 0 || exists(path) {
			if err = s.stat(path); err == nil {
				s.Name = name
			}
			return err
		}
	}
	return err
}

// stat takes a path, if it exists.
func (s *Spec) stat(path string) error {
	if path == "" {
		return usage.Errorf("%q has no path behind its colon: give a directory or a file", s.Text)
	}
	fi, err := os.Stat(path)
	if set := besideVolume(path); err != nil && set != "" {
		s.Path, s.Kind = set, Archive // which says that this volume is missing
		return nil
	}
	if err != nil {
		return missing(path, err)
	}
	if s.Path, s.Kind = path, Archive; fi.IsDir() {
		s.Kind = Layout
		if isLayout(path) {
			return nil
		}
		if sets := setsIn(path); len(sets) == 1 {
			s.Path, s.Kind = sets[0], Archive
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// missing is err about a path, without the name of the system call.
func missing(path string, err error) error {
	if near := cmp.Or(kindSlip(path), besides(path)); near != "" && errors.Is(err, fs.ErrNotExist) {
		return &absent{noFile(path, near)}
	}
	return fmt.Errorf("%s: %w", path, durable.Cause(err))
}

// Before is the kind that stands before the path of a layout or an archive. dockerTar says that the images
// are in a docker tar.
func (s Spec) Before(dockerTar bool) string {
	switch {
	case dockerTar:
		return "docker-archive"
	case s.Kind == Layout:
		return "oci"
	}
	return "oci-archive"
}

// Explain adds to an error about an image in a registry that there is no directory of that name, if the
// user may have meant one.
func (s Spec) Explain(err error) error {
	unreached := errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrUnavailable) ||
		errors.Is(err, registry.ErrDenied)
	if s.Kind != Registry || !unreached {
		return err
	}
	if meant := s.Kindless(); meant != "" {
		return fmt.Errorf("%w; did you mean %s?", err, meant)
	}
	if isLayout(s.Text) {
		return fmt.Errorf("%w; %s here is a layout, which save, push and verify read", err, s.Text)
	}
	if strings.ContainsAny(s.Text, ":@/") || exists(s.Text) {
		return err
	}
	return fmt.Errorf("%w; nor is there a file or directory of that name", err)
}

// withHost begins like oci://HOST, which Helm's users write before a name, or like another scheme of URLs.
var withHost = regexp.MustCompile(`(?i)^(docker|oci|https?)://[^/]`)

// RegistryOf is the registry that a text means which names no repository in it, or empty if it means
// something else: host:port, a host with dots, or any host with a scheme or a slash at its end.
func RegistryOf(text string) string {
	name, sure := strings.CutSuffix(registry.TrimScheme(text), "/")
	if strings.Contains(name, "/") && !strings.HasSuffix(name, "/library") {
		return "" // lists are long, and mostly of full names: this is quick
	}
	host := name
	if h, _, err := net.SplitHostPort(name); err == nil {
		host = h
	}
	if !sure && host != "localhost" && !strings.ContainsAny(host, ".:") {
		return ""
	}
	ref, err := registry.ParseReference(name + "/x")
	if err != nil || strings.TrimPrefix(ref.Repository, "library/") != "x" {
		return ""
	}
	if !withHost.MatchString(text) && (looksLikePath(text) || exists(text)) { // looked for last: lists are long
		return ""
	}
	return ref.Registry
}

// FolderOf is the folder of a registry that HOST/PATH/ means: its Repository is PATH. It reports whether a
// text means one.
func FolderOf(text string) (ref registry.Reference, is bool) {
	name, slash := strings.CutSuffix(text, "/")
	host, path, _ := strings.Cut(registry.TrimScheme(name), "/")
	if !slash || exists(text) || looksLikePath(text) || RegistryOf(host) == "" || path == "" {
		return ref, false
	}
	ref, err := registry.ParseReference(name)
	if err != nil || ref.Digest != "" || strings.Contains(path, ":") {
		return registry.Reference{}, false
	}
	ref.Repository, ref.Tag = path, ""
	return ref, true
}

// RefuseHost refuses the name of a registry with no repository in it. Read as an image it would be one of
// Docker Hub.
func RefuseHost(text string) error {
	name := RegistryOf(text)
	if name == "" || strings.HasSuffix(text, "/") {
		return nil
	}
	return usage.Errorf("%q names a registry: give %s/REPOSITORY:TAG, or docker.io/library/%s for an image of "+
		"Docker Hub", secrets.Redact(text), name, name)
}

// splitPath divides PATH[:NAME] or PATH@DIGEST. The longest path that exists is the PATH: names of files may
// hold colons. If nothing exists, PATH ends at the first colon, but not at that of a Windows drive.
func splitPath(s string) (path, name string) {
	for end := len(s); end > 0; end = strings.LastIndexAny(s[:end], ":@") {
		if exists(s[:end]) {
			return s[:end], s[min(end+1, len(s)):]
		}
	}
	skip := len(drive.FindString(s))
	before, after, _ := strings.Cut(s[skip:], ":")
	return s[:skip] + before, after
}

// looksLikePath reports whether a name that no file has must be meant as that of a file, not of an image.
func looksLikePath(s string) bool {
	return drive.MatchString(s) || filepath.IsAbs(s) || archive.MatchString(s)
}

var (
	drive   = regexp.MustCompile(`^[a-zA-Z]:[\\/]`)
	archive = regexp.MustCompile(
		`(?i)^\.\.?/|\\|\.(tar|t[gx]z|tzst|gz|zst|xz|bz2|lz4|lzma|br|zip|7z|inv|set|tar.*\.(\d{3}|p\d\d+))$`)
)
