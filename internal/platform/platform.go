// Package platform parses and matches the os/arch/variant triples of multi-platform images.
package platform

import (
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Default is what an engine on this machine most probably runs: Linux, whatever the system
// that drayage itself runs on, with this machine's processor.
func Default() v1.Platform {
	return platforms.Normalize(v1.Platform{OS: "linux", Architecture: runtime.GOARCH})
}

// Parse reads os/arch[/variant], or an architecture alone, which means Linux.
func Parse(s string) (v1.Platform, error) {
	full := s
	if !strings.Contains(s, "/") {
		full = "linux/" + s
	}
	p, err := platforms.Parse(full)
	if err != nil || !fs.ValidPath(full) { // platforms.Parse takes . and .. for components
		return v1.Platform{}, fmt.Errorf("platform %q is not of the form os/arch[/variant], such as linux/arm64", s)
	}
	return p, nil
}

// String writes p as users type it.
func String(p v1.Platform) string {
	if p.OS == "" && p.Architecture == "" {
		return "unknown"
	}
	return platforms.Format(v1.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant})
}

// Match reports whether an image for have can stand in for want: same system, same architecture, and
// the variant wanted or, as processors run code of their predecessors, a lower one. Unlike engines
// it never falls back to another architecture (386 for amd64): what crosses a gap is what was asked for.
func Match(want, have v1.Platform) bool {
	have = platforms.Normalize(have)
	want = platforms.Normalize(want)
	return have.Architecture == want.Architecture && platforms.Only(want).Match(have)
}

// Best returns the position of the best match for want in have, or -1. Of equally good
// ones the first wins, as the image specification asks.
func Best(want v1.Platform, have []v1.Platform) int {
	compare := platforms.Only(platforms.Normalize(want))
	best := -1
	for i, p := range have {
		if !Match(want, p) {
			continue
		}
		if best < 0 || compare.Less(platforms.Normalize(p), platforms.Normalize(have[best])) {
			best = i
		}
	}
	return best
}

// List writes platforms as one line for a message: sorted, each once, pseudo-platforms left out.
func List(all []v1.Platform) string {
	var names []string
	for _, p := range all {
		if p.OS == "unknown" {
			continue // attestations
		}
		names = append(names, String(p))
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// Of is the platform that an image's configuration names.
func Of(c v1.Image) v1.Platform {
	return v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant, OSVersion: c.OSVersion}
}
