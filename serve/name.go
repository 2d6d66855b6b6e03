package serve

import (
	"strings"
)

// Docker Hub has several names, and images in its library need not name that.
const (
	hub     = "docker.io"
	library = "library/"
)

// maxPath is how long a repository may be, without the registry in front of it
// (https://github.com/distribution/reference). maxHost is how long names of hosts are at most.
const (
	maxPath = 255
	maxHost = 255
)

// hubs are other names of Docker Hub.
var hubs = map[string]bool{
	"index.docker.io": true, "registry-1.docker.io": true, "registry.hub.docker.com": true,
}

// splitName divides a full name into its repository and tag. The tag is empty if the name has a digest and no
// tag.
func splitName(name string) (repository, tag string, ok bool) {
	name, _, pinned := strings.Cut(name, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name, tag = name[:i], name[i+1:]
	}
	switch {
	case !validName(name), tag != "" && !validTag(tag):
		return "", "", false
	case tag == "" && !pinned:
		tag = "latest"
	}
	return name, tag, true
}

// validName reports whether a path can be that of a repository. Unlike the distribution specification it
// allows a registry in front, with its port.
func validName(path string) bool {
	host, path := cutHost(path)
	if len(host) > maxHost || path == "" || len(path) > maxPath {
		return false
	}
	for part := range strings.SplitSeq(path, "/") {
		if !validPart(part) {
			return false
		}
	}
	return true
}

// validPart reports whether s is a component of a repository: runs of letters and digits, with a dot, one or
// two underscores, or dashes between them.
func validPart(s string) bool {
	separator := ""
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
			separator = ""
		case i == 0 || c != '.' && c != '_' && c != '-':
			return false
		case separator == "" || separator == "_" && c == '_' || separator[0] == '-' && c == '-':
			separator += string(c)
		default:
			return false
		}
	}
	return s != "" && separator == ""
}

// dashed is a registry as a part of a path. Where copies of images keep the registry in their path,
// localhost:5000 becomes localhost-5000.
func dashed(host string) string {
	fits := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' {
			return r
		}
		return '-'
	}
	return strings.Trim(strings.Map(fits, strings.ToLower(host)), "-.")
}

// isHost reports whether the first part of a name is a registry: it has a dot or a port, or is localhost, as
// in the names that engines take.
func isHost(s string) bool {
	if s != "localhost" && !strings.ContainsAny(s, ".:") && s == strings.ToLower(s) {
		return false
	}
	s, port, ported := cutPort(s)
	if ported && port == "" || strings.Trim(port, "0123456789") != "" {
		return false
	}
	if strings.HasPrefix(s, "[") && len(s) > 2 {
		return strings.HasSuffix(s, "]") && strings.Trim(s[1:len(s)-1], "0123456789abcdefABCDEF:") == ""
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' || strings.Trim(label, hostChars) != "" {
			return false
		}
	}
	return true
}

const hostChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

func cutPort(host string) (name, port string, ported bool) {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		return host[:i], host[i+1:], true
	}
	return host, "", false
}

// validTag reports whether s can be a tag
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests).
func validTag(s string) bool {
	if s == "" || len(s) > 128 || s[0] == '.' || s[0] == '-' {
		return false
	}
	return strings.Trim(s, tagChars) == ""
}

const tagChars = hostChars + "._"

// cutHost divides a repository into the registry, which may be empty, and the path there.
func cutHost(repository string) (host, path string) {
	host, path, more := strings.Cut(repository, "/")
	if more && isHost(host) {
		return host, path
	}
	return "", repository
}

// canonical is a registry under the one name that Docker Hub has in names of images.
func canonical(host string) string {
	if hubs[host] {
		return hub
	}
	return host
}
