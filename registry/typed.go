package registry

import (
	"regexp"
	"strings"

	"drayage/internal/usage"
)

// ParseTyped reads a name that a user has typed. It is [ParseReference], but spaces at the ends do not count,
// and what other tools write for something else is an error of type [usage.Error], though it may be a name.
func ParseTyped(s string) (Reference, error) {
	s = strings.TrimSpace(s)
	if why := misread(TrimScheme(s), elsewhere); why != "" {
		return Reference{}, usage.Errorf("%v", invalid(s, why))
	}
	return ParseReference(s)
}

// reading is what a text may be that is taken for a name.
type reading struct {
	pattern *regexp.Regexp
	why     string
}

func when(pattern, why string) reading { return reading{regexp.MustCompile(pattern), why} }

func misread(name string, as []reading) string {
	for _, r := range as {
		if r.pattern.MatchString(name) {
			return r.why
		}
	}
	return ""
}

// elsewhere is what may be names too
// (https://github.com/containers/image/blob/v5.34.0/docs/containers-transports.5.md).
var elsewhere = []reading{
	when(`^docker-daemon:`, "drayage does not ask Docker: docker save writes a tar of an image"),
	when(`^containers-storage:`, "drayage does not ask podman: podman save writes a tar of an image"),
	when(`^(docker-archive|oci-archive|ocifile|oci|oci-layout|oci-dir|ocidir|file):`,
		"that means a file or directory, and an image in a registry is wanted"),
	when(`(?i)^[^/:@]+\.(tar|tgz|tar\.[a-z0-9]+)$`, "it is called like a file, and no image"),
	when(`^hub\.docker\.com/`, "that is a page for people: write alpine or bitnami/redis alone"),
}

// unreadable is what is wrong with what is no name. The first that fits counts.
var unreadable = []reading{
	when("^[\"'`].*[\"'`]$", "it stands in quotes"),
	when(`^docker:`, "write docker://NAME, or the NAME alone"),
	when(`^(registry|remote|image|podman|containerd|docker-image|ostree|sif):`, "write the NAME alone"),
	when(`^[a-zA-Z][a-zA-Z0-9+.-]*://`, "before a name stand docker://, oci://, https:// or http://"),
	when(`^(\.|\.\.|~)?/|^[a-zA-Z]:[/\\]|\\`, "it is a path of a file"),
	when(`\s`, "it has a space in it"),
	when(`[?#]`, "it is the address of a web page: no name has ? or #"),
	when(`^[0-9a-fA-F]*:[0-9a-fA-F]*:[0-9a-fA-F:.]*/`, "IPv6 addresses stand in brackets, as in [::1]:5000/app"),
	when(`//`, "it has two slashes in a row"),
	when(`/$`, "it ends in a slash"),
	when(`:(@.*)?$`, "its tag is empty"),
	when(`:[^/@]*\+[^/@]*(@.*)?$`, "a tag has no +, for which Helm writes _"),
	when(`:[^/@:]{129,}(@.*)?$`, "its tag is longer than 128 characters"),
	when(`@`, "its digest is not sha256: and 64 hexadecimal digits"),
	when(`[^\x21-\x7e]`, "it has characters that no name has"),
}
