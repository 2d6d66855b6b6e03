package guide

import (
	"fmt"
	"slices"
	"strings"

	"drayage/internal/usage"
)

// choices has the words that flags take, the usual ones first. A platform may be another one too.
var choices = map[string][]string{
	"format":      {"docker", "oci"},
	"compress":    {"gzip", "zstd", "none"},
	"compression": {"gzip", "zstd", "none"},
	"reuse":       {"check", "trust", "none"},
	"shard-look":  {"uncounted", "all", "none"},
	"progress":    {"auto", "bar", "plain", "json", "none"},
	"log-format":  {"text", "json"},
	"for":         {"containerd", "podman", "docker", "k3s", "rke2", "openshift", "all"},
	"platform": {"all", "linux/amd64", "linux/arm64", "linux/arm/v7", "linux/arm/v6", "linux/386",
		"linux/ppc64le", "linux/s390x", "linux/riscv64", "windows/amd64"},
}

// Choices are the words that a flag takes, or nil.
func Choices(flag string) []string { return choices[flag] }

// Choice returns an error if the value of a flag is none of the words that the flag takes.
func Choice(flag, value string) error {
	words := choices[flag]
	if slices.Contains(words, value) {
		return nil
	}
	if near := Slip(value, words); near != "" {
		return usage.Errorf("there is no --%s %q: did you mean %s?", flag, value, near)
	}
	last := len(words) - 1
	return usage.Errorf("there is no --%s %q, only %s and %s",
		flag, value, strings.Join(words[:last], ", "), words[last])
}

// The systems and architectures that images are made for: those of Go, and what people call them.
var (
	systems       = []string{"linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris", "wasip1"}
	architectures = []string{"arm64", "amd64", "arm", "386", "ppc64le", "ppc64", "s390x", "riscv64", "loong64",
		"mips", "mipsle", "mips64", "mips64le", "wasm"}
)

// Platform says which platform is meant by one that nobody makes images for, if it is one slip away, or is
// empty. One that may be meant has no other in its place: linux/arm64 is near to linux/amd64.
func Platform(os, architecture string) string {
	meant := func(word string, known []string) string {
		if slices.Contains(known, word) {
			return word
		}
		return Slip(word, known)
	}
	o, a := meant(os, systems), meant(architecture, architectures)
	if o == "" || a == "" || o == os && a == architecture {
		return ""
	}
	return fmt.Sprintf("did you mean %s/%s?", o, a)
}

// Unknown is the error about a word that is none of those that there are, such as the name of a shell.
func Unknown(what, word string, known []string) error {
	if near := Slip(word, known); near != "" {
		return usage.Errorf("there is no %s %q: did you mean %s?", what, word, near)
	}
	return usage.Errorf("there is no %s %q: there are %s", what, word, and(known))
}
