package source

import (
	"net"
	"os"
	"strings"

	"drayage/registry"
)

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
