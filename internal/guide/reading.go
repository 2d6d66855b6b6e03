package guide

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"drayage/internal/usage"
)

// reading gathers what the flags of another tool mean together.
type reading struct {
	verb    verb
	args    []string
	meaning meaning

	os, arch, variant string
	user, password    string
	parts             []string // the flags that said a part of something
	failed            error
}

func (r *reading) take(f typed) error {
	h, ok := habitOf(r.verb.name, f.name)
	switch {
	case ok && h.same != "" && h.value && f.value == "" && r.verb.has(h.same):
		return r.empty(f)
	case ok && h.read != nil:
		h.read(r, f)
	case ok && h.same != "" && r.verb.has(h.same):
		r.is(f, h.same, f.value)
	case ok && h.say != "":
		return usage.Errorf("%s has no flag %s: %s", r.verb.name, dashed(f.name), fill(h.say, r.args))
	case ok && h.same != "":
		return r.lacks(f, h.same)
	default:
		return r.verb.unknown(f)
	}
	return r.failed
}

// lacks is the error about a flag that is another one here, which the command does not have.
func (r *reading) lacks(f typed, same string) error {
	if of := r.verb.others[same]; len(of) > 0 {
		return usage.Errorf("%s has no flag %s: that is %s of %s",
			r.verb.name, dashed(f.name), dashed(same), and(of))
	}
	return r.verb.unknown(f)
}

// is notes that a flag is another one here.
func (r *reading) is(f typed, same, value string) {
	r.meaning.flags = append(r.meaning.flags, dashed(same))
	if value != "" {
		r.meaning.flags = append(r.meaning.flags, value)
	}
	r.note("%s is %s here", dashed(f.name), dashed(same))
}

func (r *reading) empty(f typed) error { return usage.Errorf("%s has no value", dashed(f.name)) }

// note tells what flags of another tool have been taken for.
func (r *reading) note(format string, args ...any) {
	r.meaning.notes = append(r.meaning.notes, fmt.Sprintf(format, args...))
}

// all takes all platforms, where the command can.
func (r *reading) all(f typed) {
	if !r.verb.has("platform") {
		r.failed = r.lacks(f, "platform")
		return
	}
	r.platform(dashed(f.name), "all")
}

// multiArch takes what skopeo's --multi-arch says: all platforms, or that of this machine.
func (r *reading) multiArch(f typed) {
	switch f.value {
	case "all":
		r.all(f)
	case "system":
		r.nothing(f)
	default:
		r.failed = usage.Errorf("%s %s: give --platform all for all platforms, or --platform OS/ARCH for one",
			dashed(f.name), f.value)
	}
}

func (r *reading) platform(typed, name string) {
	r.meaning.flags = append(r.meaning.flags, "--platform", name)
	r.note("%s: that is --platform %s here", typed, name)
}

// everything is what --all of other tools means. The platforms that copy takes are all.
func (r *reading) everything(f typed) {
	if r.verb.name == "copy" {
		r.nothing(f)
		return
	}
	r.failed = usage.Errorf("%s has no flag %s: %s", r.verb.name, dashed(f.name), allHint)
}

// fileOrFormat takes -f, which is a list of images to some tools and a template to others.
func (r *reading) fileOrFormat(f typed) {
	switch {
	case r.verb.has("from"):
		r.is(f, "from", f.value)
	case slices.Contains(looks, r.verb.name):
		r.format(f)
	default:
		r.failed = r.lacks(f, "from")
	}
}

// part takes a part of a platform.
func (r *reading) part(f typed) {
	r.parts = append(r.parts, dashed(f.name))
	switch {
	case !r.verb.has("platform"):
		r.failed = r.lacks(f, "platform")
	case f.value == "":
		r.failed = r.empty(f)
	case strings.HasSuffix(f.name, "arch"):
		r.arch = f.value
	case strings.HasSuffix(f.name, "os"):
		r.os = f.value
	default:
		r.variant = f.value
	}
}

// userPart takes a user's name or password.
func (r *reading) userPart(f typed) {
	r.parts = append(r.parts, dashed(f.name))
	switch {
	case !r.verb.has("creds"):
		r.failed = r.lacks(f, "creds")
	case f.value == "":
		r.failed = r.empty(f)
	case f.name == "p" || strings.HasSuffix(f.name, "password"):
		r.password = f.value
	default:
		r.user = f.value
	}
}

// tls takes --tls-verify=false, which is --insecure, and --tls-verify, which is what drayage does anyway.
func (r *reading) tls(f typed) {
	switch strings.ToLower(f.value) {
	case "", "true", "1":
	case "false", "0":
		if !r.verb.has("insecure") {
			r.failed = r.lacks(f, "insecure")
			return
		}
		r.meaning.flags = append(r.meaning.flags, "--insecure")
		r.note("%s=false is --insecure here; for a registry without TLS it is --plain-http", dashed(f.name))
	default:
		r.failed = usage.Errorf("%s=%q is neither true nor false; without verification goes --insecure",
			dashed(f.name), f.value)
	}
}

// source takes the file of a SOURCE.
func (r *reading) source(f typed) {
	if f.value == "" {
		r.failed = usage.Errorf("%s has no flag %s: the file is an argument: drayage %[1]s FILE",
			r.verb.name, dashed(f.name))
		return
	}
	r.meaning.arguments = append(r.meaning.arguments, f.value)
}

// format answers a template of Go, which docker and skopeo take.
func (r *reading) format(f typed) {
	line := "drayage " + r.verb.name + " ARGS --json"
	switch field := strings.ToLower(f.value); {
	case strings.Contains(field, "digest"):
		line = "drayage digest ARGS"
	case strings.Contains(field, "config"), strings.Contains(field, "labels"), strings.Contains(field, "env"):
		line = "drayage config ARGS"
	case strings.Contains(field, "raw"), strings.Contains(field, "layers"):
		line = "drayage manifest ARGS"
	case r.verb.name == "manifest" || r.verb.name == "config":
		line = "drayage " + r.verb.name + " ARGS | jq"
	}
	r.failed = usage.Errorf("%s has no flag %s: what it would show comes with: %s",
		r.verb.name, dashed(f.name), fill(line, r.args))
}

// nothing takes a flag that asks for what drayage does anyway.
func (r *reading) nothing(f typed) {
	r.note("%s changes nothing here", dashed(f.name))
}

// end puts together what came in parts.
func (r *reading) end() (meaning, error) {
	if r.os+r.arch+r.variant != "" {
		if r.arch == "" {
			return meaning{}, usage.Errorf("%s needs the architecture too: --platform %s/ARCH, such as %[2]s/amd64",
				and(r.parts), cmp.Or(r.os, "linux"))
		}
		name := cmp.Or(r.os, "linux") + "/" + r.arch
		if r.variant != "" {
			name += "/" + r.variant
		}
		r.platform(and(r.parts), name)
	}
	switch {
	case r.user != "" && r.password != "":
		r.meaning.flags = append(r.meaning.flags, "--creds", r.user+":"+r.password)
		r.note("a user and password are --creds USER:PASSWORD here; --password-stdin keeps the password " +
			"out of the list of processes")
	case r.user != "":
		r.meaning.flags = append(r.meaning.flags, "--creds", r.user)
	case r.password != "":
		return meaning{}, usage.Errorf("%s is a password without a user: give --creds USER --password-stdin",
			and(r.parts))
	}
	return r.meaning, r.failed
}
