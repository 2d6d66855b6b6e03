package source

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"drayage/internal/guide"
	"drayage/internal/pack"
	"drayage/internal/secrets"
	"drayage/internal/usage"
	"drayage/layout"
)

// Form is what is written at an [Output].
type Form int

// The forms of outputs.
const (
	Any       Form = iota // nothing says it
	LayoutDir             // oci:DIR
	OCITar                // oci-archive:FILE
	DockerTar             // docker-archive:FILE
)

// Output is where a command writes.
type Output struct {
	Text string // as it was typed
	Form Form
	Path string // - is standard output
	Name string // of the image there, behind a path with a kind before it; or empty
}

// Layouts is the layout that images are added to, if it is there: it may have what they lack.
func (o Output) Layouts() []Spec {
	if o.Form != LayoutDir {
		return nil
	}
	dst, err := layout.LookDir(o.Path)
	if err != nil || dst == nil { // writing to it fails, or makes it
		return nil
	}
	dst.Close()
	return []Spec{{Text: o.Text, Kind: Layout, Path: o.Path}}
}

// forms has what may stand before the path of an output.
var forms = map[string]Form{
	"oci": LayoutDir, "oci-layout": LayoutDir, "oci-dir": LayoutDir, "ocidir": LayoutDir,
	"oci-archive": OCITar, "ocifile": OCITar, "docker-archive": DockerTar, "file": Any,
}

// elsewhere has what other tools write to and drayage does not, with what does it.
var elsewhere = map[string]string{
	"dir":                "the form in which skopeo takes an image apart: give oci:DIR for a layout",
	"docker-daemon":      "Docker's store: give -o - and send that to docker load",
	"containers-storage": "podman's store: give -o - and send that to podman load",
	"docker":             "a registry: drayage push or drayage copy writes there",
	"docker-image":       "a registry: drayage push or drayage copy writes there",
	"http":               "an address in a network: drayage push or drayage copy writes to a registry",
	"https":              "an address in a network: drayage push or drayage copy writes to a registry",
}

// kindBefore is a word with a colon before a path. A single letter is a Windows drive.
var kindBefore = regexp.MustCompile(`^[a-z][a-z-]+:`)

// ParseOutput tells where a command is to write: PATH, - for standard output, or one of those with its kind
// before it. Where a file is called like a kind, ./ before it helps.
func ParseOutput(text string) (Output, error) {
	o := Output{Text: text, Path: text}
	kind, rest, _ := strings.Cut(text, ":")
	if !kindBefore.MatchString(text) {
		return o, nil
	}
	if what, known := elsewhere[kind]; known {
		return o, usage.Errorf("-o %s means %s", secrets.Redact(text), what)
	}
	form, known := forms[kind]
	switch {
	case !known:
		return o, notKind(kind, text)
	case strings.HasPrefix(rest, "///"), strings.HasPrefix(rest, "//./"):
		rest = rest[2:]
	case strings.HasPrefix(rest, "//"):
		return o, usage.Errorf("-o %s is the address of a registry: a path follows %s: without slashes, as in "+
			"%[2]s:%[3]s", secrets.Redact(text), kind, rest[2:])
	}
	if bare := strings.TrimPrefix(rest, "/"); drive.MatchString(bare) { // of file:///C:/x
		rest = bare
	}
	if o.Form = form; kind == "file" {
		o.Path = rest
	} else {
		o.Path, o.Name = splitPath(rest)
	}
	if o.Path == "" {
		return o, usage.Errorf("-o %s names no path behind %s:", text, kind)
	}
	return o, nil
}

// notKind refuses a kind with a slip in it: nobody wants a file that is called so.
func notKind(kind, text string) error {
	near := guide.Slip(kind, slices.Sorted(maps.Keys(forms)))
	if near == "" || exists(text) {
		return nil
	}
	return usage.Errorf("-o %s: did you mean %s:? For a file that is called so give ./ before it", text, near)
}

// Compression is that in which a tar of this name is, by the end of the name. It is an error if the name ends
// like that of a compression which drayage does not write.
func (o Output) Compression() (pack.Kind, error) {
	m := packed.FindStringSubmatch(o.Path)
	switch {
	case m == nil:
		return pack.None, nil
	case m[1] != "":
		return pack.Gzip, nil
	case m[2] != "":
		return pack.Zstd, nil
	}
	return pack.None, usage.Errorf("-o %s: drayage compresses tars with gzip (.tar.gz) and zstd (.tar.zst); "+
		"for others give -o - and send that to the program", o.Text)
}

var packed = regexp.MustCompile(
	`(?i)\.(?:(gz|gzip|tgz|taz)|(zst|zstd|tzst|tzstd)|xz|txz|bz2|tbz2?|lz4|lz|lzma|br|zip|7z|z)$`)

// IsTar reports whether a tar is meant, by the kind or by the end of the name, and no directory.
func (o Output) IsTar() bool {
	switch o.Form {
	case OCITar, DockerTar:
		return true
	case LayoutDir:
		return false
	}
	if fi, err := os.Stat(o.Path); err == nil && fi.IsDir() {
		return false
	}
	return o.Path == "-" || strings.HasSuffix(strings.ToLower(o.Path), ".tar") || packed.MatchString(o.Path)
}
