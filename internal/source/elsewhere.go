package source

import (
	"slices"
	"strings"

	"drayage/registry"
)

// Bring is the command that brings images to where a name means a file, a directory or an engine, as other
// tools write it. It is empty for other names, such as those of registries.
func Bring(images []string, to string) string {
	what := "SOURCE"
	if len(images) > 0 {
		what = strings.Join(images, " ")
	}
	if withHost.MatchString(to) { // oci://HOST of Helm's users
		return ""
	}
	kind, path, _ := strings.Cut(to, ":")
	switch {
	case slices.Contains([]string{"oci", "ocidir", "oci-layout", "oci-dir", "dir"}, kind):
		path, _ = splitPath(path) // skopeo's oci:DIR:NAME gives a name, drayage keeps it
		return intoLayout(images, what, path)
	case isLayout(to):
		return intoLayout(images, what, to)
	case kind == "oci-archive", kind == "ocifile":
		return "drayage save " + what + " -o " + path + " --format oci"
	case kind == "docker-archive":
		path, _, _ = strings.Cut(path, ":")
		return "drayage save " + what + " -o " + path
	case kind == "docker-daemon":
		return "drayage save " + what + " -o - | docker load"
	case kind == "containers-storage":
		return "drayage save " + what + " -o - | podman load"
	case strings.HasSuffix(to, ".tar"):
		return "drayage save " + what + " -o " + to
	}
	return ""
}

// intoLayout is the command that brings images into a layout: only save reads files and directories.
func intoLayout(images []string, what, dir string) string {
	local := slices.ContainsFunc(images, func(text string) bool {
		spec, err := Parse(text, registry.ParseReference)
		return err == nil && spec.Kind != Registry
	})
	if local {
		return "drayage save " + what + " -o oci:" + dir
	}
	return "drayage fetch " + what + " -o " + dir
}
