package manpage

import (
	"slices"
	"strings"

	"drayage/internal/guide"
	"drayage/internal/settings"
)

// surrounding is a variable or a file that a command reads if it has one of the flags. Without flags every
// command reads it.
type surrounding struct {
	flags []string
	entry guide.Entry
}

var variables = []surrounding{
	{nil, guide.Entry{Head: "HOME, XDG_CONFIG_HOME", Text: "Where the file with settings is, and where " +
		"engines have those of the user. Without XDG_CONFIG_HOME that is ~/.config."}},
	{[]string{"authfile"}, guide.Entry{Head: "DOCKER_CONFIG",
		Text: "The directory of docker's config.json, if that is not ~/.docker."}},
	{[]string{"authfile"}, guide.Entry{Head: "DOCKER_AUTH_CONFIG",
		Text: "Credentials in the format of config.json. They come before those in files."}},
	{[]string{"authfile"}, guide.Entry{Head: "REGISTRY_AUTH_FILE",
		Text: "The file of --authfile, where that is not given."}},
	{[]string{"ca-file"}, guide.Entry{Head: "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY",
		Text: "The proxies on the way to registries, and the hosts that are reached without one."}},
	{[]string{"ca-file"}, guide.Entry{Head: "CONTAINERS_REGISTRIES_CONF",
		Text: "A file that replaces registries.conf."}},
	{[]string{"temp-dir"}, guide.Entry{Head: "TMPDIR",
		Text: "Where temporary files go that have no other place."}},
	{[]string{"progress"}, guide.Entry{Head: "CI",
		Text: "If it is set, progress comes as lines of text also where there is a terminal."}},
}

var files = []surrounding{
	{nil, guide.Entry{Head: "~/.config/drayage/config.toml",
		Text: "Settings, one for all commands or for one of them. See drayage-settings(1)."}},
	{[]string{"authfile"}, guide.Entry{Head: "~/.docker/config.json",
		Text: "Credentials for registries, as docker and drayage login store them."}},
	{[]string{"authfile"}, guide.Entry{
		Head: "$XDG_RUNTIME_DIR/containers/auth.json, ~/.config/containers/auth.json",
		Text: "Credentials that podman and skopeo have stored."}},
	{[]string{"ca-file"}, guide.Entry{Head: "/etc/containerd/certs.d/REGISTRY/hosts.toml",
		Text: "The hosts of a registry, its mirrors and certificates. ~/.config/containerd/certs.d comes first."}},
	{[]string{"ca-file"}, guide.Entry{Head: "/etc/containers/registries.conf",
		Text: "The same for registries without a hosts.toml. ~/.config/containers/registries.conf comes first."}},
	{[]string{"ca-file"}, guide.Entry{Head: "/etc/containers/certs.d/HOST, /etc/docker/certs.d/HOST",
		Text: "CA and client certificates for a host. The same below ~/.config comes first."}},
	{[]string{"compression"}, guide.Entry{Head: "~/.cache/drayage/layers",
		Text: "What push remembers of layers and uploads. It may be removed."}},
}

func reads(all []surrounding, flags []string) (entries []guide.Entry) {
	for _, s := range all {
		has := func(f string) bool { return slices.Contains(flags, f) }
		if s.flags == nil || slices.ContainsFunc(s.flags, has) {
			entries = append(entries, s.entry)
		}
	}
	return entries
}

// Environment lists the variables that a command with these flags reads.
func Environment(flags []string) []guide.Entry {
	own := guide.Entry{Head: "DRAYAGE_OPTION", Text: "Each option has a variable. It counts where the option " +
		"is not given: " + strings.Join(settings.Variables(flags), ", ") + "."}
	return append([]guide.Entry{own}, reads(variables, flags)...)
}

// Files lists the files that a command with these flags reads or writes, besides those in its arguments.
func Files(flags []string) []guide.Entry { return reads(files, flags) }
