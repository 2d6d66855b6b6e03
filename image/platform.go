package image

import (
	"cmp"
	"fmt"
	"io/fs"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// DefaultPlatform is what an engine on this machine most probably runs: Linux with this machine's
// processor, on whatever system drayage itself runs.
func DefaultPlatform() v1.Platform {
	return platforms.Normalize(v1.Platform{OS: "linux", Architecture: runtime.GOARCH})
}

// version matches the version of a system, such as 10.0.17763.1234 or, as Homebrew writes it, macOS 14.
var version = regexp.MustCompile(`^[0-9A-Za-z]([0-9A-Za-z ._-]*[0-9A-Za-z._-])?$`)

// systems are the operating systems that people give alone.
var systems = []string{"linux", "windows", "darwin", "macos", "freebsd"}

// ParsePlatform reads os/arch[/variant][:version], or an architecture alone, which means Linux. The version
// is that of the system, which images for Windows have.
func ParsePlatform(s string) (v1.Platform, error) {
	full, osVersion, versioned := strings.Cut(s, ":")
	if slices.Contains(systems, full) {
		return v1.Platform{}, fmt.Errorf("platform %q is a system without an architecture: give %s/amd64, "+
			"or another one", s, full)
	}
	if !strings.Contains(full, "/") {
		full = "linux/" + full
	}
	if system, machine, _ := strings.Cut(full, "/"); machines[machine] != "" {
		full = system + "/" + machines[machine]
	}
	p, err := platforms.Parse(full)
	if !versioned { // as others write it: windows(10.0.17763)/amd64
		osVersion = p.OSVersion
	}
	if err != nil || !fs.ValidPath(full) || (versioned || osVersion != "") && !version.MatchString(osVersion) {
		// platforms.Parse takes . and .. for components
		return v1.Platform{}, fmt.Errorf("platform %q is not of the form os/arch[/variant][:version], "+
			"such as linux/arm64", s)
	}
	p.OSVersion = osVersion
	return p, nil
}

// machines are names that uname -m and files for download have, and images do not.
var machines = map[string]string{"armv6": "arm/v6", "armv6l": "arm/v6", "armv7": "arm/v7", "armv7l": "arm/v7"}

// FormatPlatform writes p as users type it.
func FormatPlatform(p v1.Platform) string {
	if p.OSVersion == "" {
		return formatBare(p)
	}
	return formatBare(p) + ":" + p.OSVersion
}

// formatBare leaves out the version of the system.
func formatBare(p v1.Platform) string {
	if p.OS == "" && p.Architecture == "" {
		return "unknown"
	}
	return platforms.Format(bare(p))
}

// bare is p without the version and the features of the system.
func bare(p v1.Platform) v1.Platform {
	return v1.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant}
}

func samePlatform(a, b v1.Platform) bool {
	return formatBare(platforms.Normalize(bare(a))) == formatBare(platforms.Normalize(bare(b))) &&
		a.OSVersion == b.OSVersion
}

// MatchPlatform reports whether an image for have can stand in for want. System and architecture have to be
// the same. The variant may be a lower one, because processors run code of their predecessors. A version of
// the system that is wanted has to be the same too, as far as it is given: 10.0.17763 stands for all of its
// revisions. Engines fall back to another architecture (386 for amd64), MatchPlatform does not: what crosses
// a gap is what was asked for.
func MatchPlatform(want, have v1.Platform) bool {
	v, w := have.OSVersion, want.OSVersion
	if w != "" && v != w && !strings.HasPrefix(v, w+".") {
		return false
	}
	have = platforms.Normalize(bare(have))
	want = platforms.Normalize(bare(want))
	return have.Architecture == want.Architecture && platforms.Only(want).Match(have)
}

// BestPlatform returns the position of the best match for want in have, or -1. The first of equally good
// ones wins, as the image specification asks.
func BestPlatform(want v1.Platform, have []v1.Platform) int {
	compare := platforms.Only(platforms.Normalize(bare(want)))
	best := -1
	for i, p := range have {
		if !MatchPlatform(want, p) {
			continue
		}
		if best < 0 || compare.Less(platforms.Normalize(bare(p)), platforms.Normalize(bare(have[best]))) {
			best = i
		}
	}
	return best
}

// features are those of the system that tell p from others, as words behind the platform.
func features(p v1.Platform) string {
	if len(p.OSFeatures) == 0 {
		return ""
	}
	return " with " + strings.Join(p.OSFeatures, "+")
}

// FormatPlatforms writes platforms as one line for a message: sorted, each once, pseudo-platforms left out.
func FormatPlatforms(all []v1.Platform) string {
	var names []string
	for _, p := range all {
		if p.OS != "unknown" { // as attestations are
			names = append(names, FormatPlatform(p)+features(p))
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// Selection says which platforms of an image travel. The zero value means [DefaultPlatform].
type Selection struct {
	All       bool          // everything, the index unchanged
	Platforms []v1.Platform // the wanted ones

	// Held are the manifests of the index that are where the image goes, under its name. They stay selected. If
	// the index does not list all of them, it is another one, and they do not count.
	Held []digest.Digest
	// HeldWhole says that the whole index is there under its name, and stays.
	HeldWhole bool

	// Later leaves the configuration of an image without an index unread if nobody asks for its platform: the
	// image can then begin to move at once. [Image.Tell] finds out the platform when all is there.
	Later bool
}

// join adds to the chosen leaves of an index those that are held, in the order of the index.
func (s Selection) join(leaves, chosen []Leaf) (all []Leaf, added []Leaf) {
	has := func(list []Leaf, d digest.Digest) bool {
		return slices.ContainsFunc(list, func(l Leaf) bool { return l.Descriptor.Digest == d })
	}
	if len(chosen) == 0 || slices.ContainsFunc(s.Held, func(d digest.Digest) bool { return !has(leaves, d) }) {
		return chosen, nil
	}
	rest := chosen
	for _, l := range leaves {
		switch {
		case len(rest) > 0 && rest[0].Descriptor.Digest == l.Descriptor.Digest &&
			FormatPlatform(rest[0].Platform) == FormatPlatform(l.Platform):
			all, rest = append(all, l), rest[1:]
		case slices.Contains(s.Held, l.Descriptor.Digest) && !has(chosen, l.Descriptor.Digest) &&
			!has(added, l.Descriptor.Digest):
			all, added = append(all, l), append(added, l)
		}
	}
	return all, added
}

// waits reports whether the configuration of an image without an index may be read when it has moved.
func (s Selection) waits(config *v1.Descriptor) bool {
	_, asked := s.wanted()
	return s.Later && (s.All || !asked) && config != nil && config.Size <= MaxConfigSize
}

// wanted is the list that an empty selection stands for, and whether the user gave it.
func (s Selection) wanted() ([]v1.Platform, bool) {
	if len(s.Platforms) > 0 {
		return s.Platforms, true
	}
	return []v1.Platform{DefaultPlatform()}, false
}

// passed lists what of have could have been taken as well as taken: its platform differs only in the version
// of the system, or not at all.
func (s Selection) passed(taken Leaf, have []Leaf) (all []Leaf) {
	want, _ := s.wanted()
	of := taken.Platform
	for _, l := range have {
		p, same := l.Platform, l.Descriptor.Digest == taken.Descriptor.Digest
		if same && p.OSVersion == of.OSVersion || formatBare(p) != formatBare(of) ||
			l.Descriptor.ArtifactType != taken.Descriptor.ArtifactType {
			continue
		}
		matches := func(w v1.Platform) bool { return MatchPlatform(w, of) && MatchPlatform(w, p) }
		if slices.ContainsFunc(want, matches) {
			all = append(all, l)
		}
	}
	return all
}

// Check returns a [PlatformError] if an image that has no index, and is for p, is not what was asked for.
func (s Selection) Check(p v1.Platform) error {
	want, asked := s.wanted()
	if !asked || s.All || p.OS == "" || p.OS == "unknown" {
		return nil
	}
	for _, w := range want {
		if !MatchPlatform(w, p) {
			return &PlatformError{Want: w, Have: []v1.Platform{p}}
		}
	}
	return nil
}

// PlatformError says that an image is not to be had for a platform, and lists those it has.
type PlatformError struct {
	Want v1.Platform
	Have []v1.Platform
}

func (e *PlatformError) Error() string {
	have := cmp.Or(FormatPlatforms(e.Have), "none")
	return fmt.Sprintf("no image for platform %s; it has: %s", FormatPlatform(e.Want), have)
}
