package registry

import (
	"net/url"
	"regexp"
	"strings"

	"drayage/internal/usage"
)

// ParseTyped reads a name that a user has typed. It is [ParseReference], but spaces at the ends do not count,
// and what other tools write for something else is an error of type [usage.Error], though it may be a name.
func ParseTyped(s string) (Reference, error) {
	s = strings.TrimSpace(s)
	name := TrimScheme(s)
	why := misread(name, elsewhere)
	if image := onPage(name); image != "" {
		why = "it is the address of a web page: write " + image
	}
	if why != "" {
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
	when(`^sha256:[0-9a-f]{12,}$`, "it is a digest alone: write NAME@sha256:..."),
}

// page is a form of addresses of web pages about images, and the name of the image there.
type page struct {
	address *regexp.Regexp
	image   string
}

func at(address, image string) page { return page{regexp.MustCompile(`^` + address), image} }

const segment = `([a-z0-9._-]+)`

// pages are where people look for images, and what they paste from there.
var pages = []page{
	at(`hub\.docker\.com/_/`+segment, "$1"),
	at(`hub\.docker\.com/layers/library/`+segment+`/([\w.-]+)`, "$1:$2"),
	at(`hub\.docker\.com/layers/`+segment+`/`+segment+`/([\w.-]+)`, "$1/$2:$3"),
	at(`hub\.docker\.com/(?:r|repository/docker|layers)/library/`+segment, "$1"),
	at(`hub\.docker\.com/(?:r|repository/docker|layers)/`+segment+`/`+segment, "$1/$2"),
	at(`quay\.io/repository/`+segment+`/((?:`+segment+`/)*?`+segment+`)(?:/?\?.*|/manifest/.*|/)?$`,
		"quay.io/$1/$2"),
	at(`github\.com/(?:orgs|users)/([\w.-]+)/packages/container/(?:package/)?([\w.%-]+)`, "ghcr.io/$1/$2"),
	at(`github\.com/([\w.-]+)/[\w.-]+/pkgs/container/([\w.%-]+)`, "ghcr.io/$1/$2"),
	at(`gallery\.ecr\.aws/`+segment+`/((?:`+segment+`/)*`+segment+`)`, "public.ecr.aws/$1/$2"),
	at(`mcr\.microsoft\.com/(?:[a-z]{2}-[a-z]{2}/)?(?:artifact/mar|product)/((?:`+segment+`/)*?`+segment+
		`)(?:/(?:about|tags|tag/.*))?/?(?:\?.*)?$`, "mcr.microsoft.com/$1"),
	at(`gitlab\.com/([\w./-]+?)/(?:-/)?container_registry`, "registry.gitlab.com/$1"),
}

// onPage is the name of the image that a web page is about, or empty.
func onPage(address string) string {
	for _, p := range pages {
		if m := p.address.FindStringSubmatchIndex(address); m != nil {
			name := string(p.address.ExpandString(nil, p.image, address, m))
			name, _ = url.PathUnescape(name)
			return strings.ToLower(name)
		}
	}
	return ""
}

// unreadable is what is wrong with what is no name. The first that fits counts.
var unreadable = []reading{
	when(`^\s*$`, "it is empty"),
	when("^[\"'`].*[\"'`]$", "it stands in quotes"),
	when("[\"'`]", "it has a quotation mark in it"),
	when(`\$|\{\{`, "it has a variable in it: put in its value"),
	when(`^@`, "no name stands before the digest: write NAME@sha256:..."),
	when(`^[0-9a-f]{64}$`, "it is an image ID, which no registry knows: write NAME@sha256:... or NAME:TAG"),
	when(`^docker:`, "write docker://NAME, or the NAME alone"),
	when(`^(registry|remote|image|podman|containerd|docker-image|ostree|sif):`, "write the NAME alone"),
	when(`^[a-zA-Z][a-zA-Z0-9+.-]*://`, "before a name stand docker://, oci://, https:// or http://"),
	when(`^(\.|\.\.|~)?/|^[a-zA-Z]:[/\\]|\\`, "it is a path of a file"),
	when(`[<>]`, "< and > mark a word that a name stands for: write the name without them"),
	when(`\s`, "it has a space in it"),
	when(`[,;]`, "names are divided by spaces, not by a comma or semicolon"),
	when(`[?#]`, "it is the address of a web page: no name has ? or #"),
	when(`^[0-9a-fA-F]*:[0-9a-fA-F]*:[0-9a-fA-F:.]*/`, "IPv6 addresses stand in brackets, as in [::1]:5000/app"),
	when(`//`, "it has two slashes in a row"),
	when(`/$`, "it ends in a slash"),
	when(`:(@.*)?$`, "its tag is empty: write one behind the colon, or no colon"),
	when(`^([^/]*[.:][^/]*/|localhost/)?[^:@]*[A-Z]`, "names of repositories have no capital letters"),
	when(`:[^/@]*:[^/]*$`, "it has two tags"),
	when(`:[.-][^/@]*(@.*)?$`, "a tag begins with a letter, a digit or _"),
	when(`:[^/@]*\+[^/@]*(@.*)?$`, "a tag has no +, for which Helm writes _"),
	when(`:[^/@:]{129,}(@.*)?$`, "its tag is longer than 128 characters"),
	when(`@`, "its digest is not sha256: and 64 hexadecimal digits"),
	when(`[^\x21-\x7e]`, "it has characters that no name has"),
}
