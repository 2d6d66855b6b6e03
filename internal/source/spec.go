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
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"drayage/internal/durable"
	"drayage/internal/plaintext"
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

var prefixes = []struct {
	text string
	kind Kind
}{{"oci:", Layout}, {"oci-archive:", Archive}, {"docker-archive:", Archive}, {"dir:", Layout}}

// Parse tells what a SOURCE means: its kind if it begins with one, else what exists at that path, else an
// image name, which reference reads.
func Parse(text string, reference func(string) (registry.Reference, error)) (Spec, error) {
	s := Spec{Text: text}
	if text == "-" {
		s.Kind = Stdin
		return s, nil
	}
	isName := hasHost(text)
	for _, p := range prefixes {
		if isName {
			break
		}
		if rest, ok := strings.CutPrefix(text, p.text); ok {
			s.Kind = p.kind
			s.Path, s.Name = splitPath(rest)
			fi, err := os.Stat(s.Path)
			switch {
			case err != nil && p.text == "dir:": // an image may be called dir
				continue
			case err != nil:
				return s, missing(s.Path, err)
			case fi.IsDir():
				s.Kind = Layout
			default:
				s.Kind = Archive
			}
			return s, nil
		}
	}
	if fi, err := os.Stat(text); err == nil && !isName {
		s.Path, s.Kind = text, Archive
		if fi.IsDir() {
			s.Kind = Layout
		}
		return s, nil
	}
	if looksLikePath(text) && !isName {
		return s, missing(text, fs.ErrNotExist)
	}
	var err error
	if s.Ref, err = reference(text); err != nil {
		return s, usage.Errorf("%v, and there is no file of that name", err)
	}
	return s, nil
}

// missing is err about a path, without the name of the system call.
func missing(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", path, durable.Cause(err))
}

// Explain adds to an error about an image in a registry that there is no directory of that name, if the
// user may have meant one.
func (s Spec) Explain(err error) error {
	unreached := errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrUnavailable) ||
		errors.Is(err, registry.ErrDenied)
	if s.Kind != Registry || !unreached || strings.ContainsAny(s.Text, ":@/") {
		return err
	}
	return fmt.Errorf("%w; nor is there a file or directory of that name", err)
}

// hasHost reports whether a text begins like oci://HOST, which Helm's users write before a name, or like
// another scheme of URLs.
func hasHost(s string) bool {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || strings.HasPrefix(rest, "/") {
		return false
	}
	switch strings.ToLower(scheme) {
	case "docker", "oci", "https", "http":
		return true
	}
	return false
}

// RegistryOf is the registry that a text means which names no repository in it, or empty if it means
// something else: host:port, a host with dots, or any host with a scheme or a slash at its end.
func RegistryOf(text string) string {
	if _, err := os.Stat(text); err == nil && !hasHost(text) || looksLikePath(text) && !hasHost(text) {
		return ""
	}
	name, sure := strings.CutSuffix(registry.TrimScheme(text), "/")
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
	return ref.Registry
}

// splitPath divides PATH[:NAME]. The longest path that exists is the PATH: names of files may hold colons. If
// nothing exists, PATH ends at the first colon, but not at that of a Windows drive.
func splitPath(s string) (path, name string) {
	for end := len(s); end > 0; end = strings.LastIndexByte(s[:end], ':') {
		if _, err := os.Stat(s[:end]); err == nil {
			return s[:end], strings.TrimPrefix(s[end:], ":")
		}
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

// looksLikePath reports whether a name that no file has must be meant as that of a file, not of an image.
func looksLikePath(s string) bool {
	if hasDrive(s) || strings.Contains(s, `\`) || filepath.IsAbs(s) ||
		strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../") {
		return true
	}
	return isTar(s)
}

const (
	maxList = 16 << 20 // bytes of a list of names
	maxName = 4 << 10  // bytes of a line in it
)

// ReadList reads names of images: one a line, and # begins a comment. The text is in UTF-8 or UTF-16, with
// any line ends.
func ReadList(r io.Reader) (names []string, err error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxList+1))
	switch {
	case err != nil:
		return nil, err
	case len(raw) > maxList:
		return nil, usage.Errorf("more than %d MiB: this is no list of images", maxList>>20)
	}
	invisible := func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }
	text := strings.ReplaceAll(string(plaintext.UTF8(raw)), "\r", "\n")
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimFunc(line, invisible) // lists that were put together have byte order marks inside
		switch {
		case len(line) > maxName:
			return nil, usage.Errorf("a line of %d bytes: this is no list of images", len(line))
		case line != "":
			names = append(names, line)
		}
	}
	return names, nil
}
