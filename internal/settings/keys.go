package settings

import (
	"fmt"
	"slices"
	"strings"
)

// key is a flag that the file may set.
type key struct {
	name    string
	example string
	about   string
	path    bool // the value is the path of a file or directory
}

// keys are the flags that are worth setting once, in the order of the template. What is said of a single run,
// such as where its output goes, is not among them.
var keys = []key{
	{"mirror", `["https://mirror.corp", "quay.io=https://quay-mirror.corp"]`,
		"read images from here first; without REGISTRY= it stands in for docker.io", false},
	{"authfile", `"~/.docker/config.json"`, "take credentials from this file only", true},
	{"ca-file", `"/etc/pki/corp-ca.pem"`, "CA certificates to trust besides the system's", true},
	{"limit-rate", `"2M"`, "use no more than this of the network, in bytes per second", false},
	{"jobs", `8`, "how much goes on at once", false},
	{"temp-dir", `"/var/tmp"`, "where temporary files go", true},
	{"platform", `["linux/amd64", "linux/arm64"]`, "of the images", false},
	{"referrers", `true`, "signatures, attestations and SBOMs travel too", false},
	{"foreign-urls", `true`, "fetch foreign layers from the URLs in their manifest", false},
	{"format", `"oci"`, "of the tars that save writes: docker or oci", false},
	{"compress", `"gzip"`, "compress the whole tar: gzip or zstd", false},
	{"compression", `"zstd"`, "of layers that push compresses: gzip, zstd or none", false},
	{"compression-level", `3`, "of these layers", false},
	{"reuse", `"trust"`, "of layers that push finds at DEST: check, trust or none", false},
	{"progress", `"plain"`, "how progress is shown", false},
	{"log-format", `"json"`, "how messages are written", false},
	{"verbose", `true`, "tell of every request", false},
	{"quiet", `true`, "no progress and no notes", false},
}

// logins are flags about a login, besides those with [HasPassword].
var logins = []string{"password-stdin", "username"}

// HasPassword reports whether the value of a flag has a password in it.
func HasPassword(flag string) bool { return flag == "password" || strings.HasSuffix(flag, "creds") }

// perRegistry are flags that weaken the way to a registry. Set for all of them, nobody would notice.
var perRegistry = []string{"insecure", "plain-http"}

// find returns the key with a name, or nil.
func find(name string) *key {
	if i := slices.IndexFunc(keys, func(k key) bool { return k.name == name }); i >= 0 {
		return &keys[i]
	}
	return nil
}

// Keys lists what the file may set, as far as there are such flags.
func Keys(flags Flags) []string {
	var names []string
	for _, k := range keys {
		if _, known := flags.kind("", k.name); known {
			names = append(names, k.name)
		}
	}
	return names
}

// refusal says why the file may not set a flag that there is.
func refusal(flag string) error {
	switch {
	case HasPassword(flag), slices.Contains(logins, flag):
		return fmt.Errorf("%q does not belong in this file: drayage login stores passwords where docker does, "+
			"and in a CI job a variable such as %s gives one", flag, Variable("creds"))
	case slices.Contains(perRegistry, flag):
		return fmt.Errorf("%q is not for all registries at once: name the one with insecure = true in "+
			"registries.conf, or give --%s", flag, flag)
	}
	return fmt.Errorf("%q is for a single run: give --%s or set %s", flag, flag, Variable(flag))
}

// Template is a file that sets nothing and shows what could be set.
func Template(flags Flags) string {
	var b strings.Builder
	b.WriteString(`# Settings of drayage. A line counts when the # before it is gone.
# What stands on the command line counts first, then the environment variable
# (DRAYAGE_JOBS for jobs), then this file. Passwords do not belong here:
# drayage login stores them.

`)
	for _, name := range Keys(flags) {
		k := find(name)
		fmt.Fprintf(&b, "# %s\n#%s = %s\n\n", k.about, k.name, k.example)
	}
	b.WriteString(`# A table with the name of a command counts for this command alone, and before
# the lines above.
#[fetch]
#jobs = 16
`)
	return b.String()
}
