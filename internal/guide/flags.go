package guide

import (
	"slices"
	"strings"

	"drayage/internal/usage"
)

// typed is a flag that was typed and that the command does not have.
type typed struct{ name, value string }

// verb is a command that is asked what strange flags mean.
type verb struct {
	name   string
	flags  []string            // the names of its flags
	others map[string][]string // the commands that have a flag, by its name
}

// meaning is what flags of other tools mean.
type meaning struct {
	flags     []string // of drayage, each followed by its value
	arguments []string // to stand before all others
	notes     []string // what the user should know of it
}

// habit is what a flag of another tool means.
type habit struct {
	value bool                  // a value follows
	same  string                // it is this flag here
	only  []string              // the commands for which this is meant; empty: all
	read  func(*reading, typed) // else: what it means
	say   string                // else: what to tell; ARGS stands for the arguments
}

// habits has the flags of docker, podman, skopeo, crane, regctl, oras and hauler that drayage does not have.
var habits = map[string]habit{
	"all-platforms": {read: (*reading).all},
	"multi-arch":    {value: true, read: (*reading).multiArch},
	"a":             {read: (*reading).everything},
	"all":           {read: (*reading).everything},

	"arch":             platformPart,
	"os":               platformPart,
	"variant":          platformPart,
	"override-arch":    platformPart,
	"override-os":      platformPart,
	"override-variant": platformPart,

	"tls-verify":               tlsVerify,
	"src-tls-verify":           tlsVerify,
	"dest-tls-verify":          tlsVerify,
	"insecure-skip-tls-verify": {same: "insecure"},
	"skip-tls-verify":          {same: "insecure"},
	"insecure-registry":        {say: insecureHint},
	"allow-insecure":           {say: insecureHint},
	"http":                     {same: "plain-http"},
	"cacert":                   {value: true, same: "ca-file"},
	"ca-cert":                  {value: true, same: "ca-file"},
	"cert-dir":                 {value: true, say: "a CA certificate comes with --ca-file FILE"},

	"src-creds":       {value: true, same: "creds"},
	"dest-creds":      {value: true, same: "creds"},
	"u":               userPart,
	"username":        userPart,
	"src-username":    userPart,
	"dest-username":   userPart,
	"p":               userPart,
	"password":        userPart,
	"src-password":    userPart,
	"dest-password":   userPart,
	"auth-file":       {value: true, same: "authfile"},
	"registry-config": {value: true, same: "authfile"},
	"src-authfile":    {value: true, same: "authfile"},
	"dest-authfile":   {value: true, same: "authfile"},

	"f":          {value: true, same: "from", read: (*reading).fileOrFormat},
	"file":       {value: true, same: "from"},
	"images":     {value: true, same: "from"},
	"image-list": {value: true, same: "from"},
	"i":          sourceFile,
	"input":      sourceFile,
	"tarball":    sourceFile,

	"retry":       retries,
	"retries":     retries,
	"retry-times": retries,
	"retry-delay": retries,
	"max-retries": retries,
	"timeout": {value: true, say: "drayage gives up a connection on which nothing moves for a minute, " +
		"and resumes; there is no --timeout to set"},

	"D":       {same: "v"},
	"debug":   {same: "v"},
	"verbose": {same: "v"},
	"n":       {say: dryHint},
	"dry-run": {say: dryHint},

	"port": {value: true, only: []string{"serve"}, say: "--addr 127.0.0.1:PORT listens on this machine alone, " +
		"--addr :PORT on all its addresses"},

	"since":        {value: true, only: []string{"fetch"}, say: sinceHint},
	"differential": {value: true, same: "since"},

	"raw":    {only: looks, say: "the bytes of a manifest come with: drayage manifest ARGS"},
	"config": {only: looks, say: "the bytes of a configuration come with: drayage config ARGS"},
	"format": {value: true, only: looks, read: (*reading).format},

	"full-ref":              {only: []string{"digest"}, read: (*reading).nothing}, // digest prints that always
	"disable-content-trust": {read: (*reading).nothing},
	"insecure-policy":       {read: (*reading).nothing},
	"preserve-digests":      {read: (*reading).nothing},

	"allow-nondistributable-artifacts": {same: "foreign-urls"},

	"concurrency":    {value: true, same: "jobs"},
	"max-concurrent": {value: true, same: "jobs"},
	"parallel":       {value: true, same: "jobs"},
	"r":              {same: "referrers"},
	"recursive":      {same: "referrers"},
	"digestfile":     {value: true, say: "standard output has the digests: > FILE keeps them"},
	"log-level":      {value: true, say: "-v shows each request to a registry, -q only errors"},
	"no-creds":       {say: noCredsHint},
	"src-no-creds":   {say: noCredsHint},
}

// looks are commands that show something.
var looks = []string{"inspect", "ls", "digest", "manifest", "config"}

var (
	platformPart = habit{value: true, read: (*reading).part}
	tlsVerify    = habit{read: (*reading).tls}
	userPart     = habit{value: true, read: (*reading).userPart}
	retries      = habit{value: true, say: "drayage tries again by itself, with growing waits, and says so; " +
		"there is no number to set"}
	sourceFile = habit{value: true, only: []string{"push", "copy", "save", "inspect", "verify", "ls", "digest",
		"manifest", "config"}, read: (*reading).source}
)

const (
	allHint      = "all platforms come with --platform all; all images of a layout or a tar come without a NAME"
	insecureHint = "--insecure does not verify the registry's certificate, --plain-http speaks http to it"
	noCredsHint  = "--authfile FILE reads logins from FILE alone, which may hold {} for none"
	sinceHint    = "fetch keeps what is in DIR; then: drayage save DIR --since LAST.tar -o NEW.tar"
	dryHint      = "there is no dry run of this; what there is and how large it is says: drayage inspect FIRST"
)

// habitOf returns the habit that a flag is for a command.
func habitOf(verb, name string) (habit, bool) {
	h, ok := habits[name]
	return h, ok && (len(h.only) == 0 || slices.Contains(h.only, verb))
}

// takesValue reports whether the word after a flag of another tool belongs to the flag.
func takesValue(verb, name string) bool {
	h, ok := habitOf(verb, name)
	return ok && h.value
}

// translate says what flags mean that the command does not have, with its arguments as far as they help. If
// one means nothing, the error says what may be meant.
func (v verb) translate(flags []typed, args []string) (meaning, error) {
	r := reading{verb: v, args: args}
	for _, f := range flags {
		if err := r.take(f); err != nil {
			return meaning{}, err
		}
	}
	return r.end()
}

func (v verb) has(flag string) bool { return slices.Contains(v.flags, flag) }

// unknown is the error about a flag that means nothing.
func (v verb) unknown(f typed) error {
	switch near := Nearest(f.name, long(v.flags)); {
	case len(v.others[f.name]) > 0:
		return usage.Errorf("%s has no flag %s: that is one of %s", v.name, dashed(f.name), and(v.others[f.name]))
	case near != "":
		return usage.Errorf("there is no flag %s: did you mean %s?", dashed(f.name), dashed(near))
	}
	return usage.Errorf("%s has no flag %s", v.name, dashed(f.name))
}

// long are the names that are words: every letter is near to every other one.
func long(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return len(n) == 1 })
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

func and(words []string) string {
	text := Or(words...)
	if i := strings.LastIndex(text, " or "); i >= 0 {
		text = text[:i] + " and " + text[i+4:]
	}
	return text
}
