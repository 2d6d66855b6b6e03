//go:build linux

package crash

import (
	"os/exec"
	"strings"
	"testing"
)

// tool is drayage or another one that does the same work.
type tool struct {
	name  string
	fetch func(w *world, ref, tag string) []string // into the layout images
	save  func(w *world, ref string) []string      // into image.tar
	push  func(w *world, ref string) []string      // of the layout images, whose image has the tag 1
	load  func(w *world, ref string) []string      // of image.tar, a docker tar, into a registry
}

// tools are all that there may be; those that are not installed are left out of the figures.
func tools() []tool {
	return []tool{
		{
			name:  "drayage",
			fetch: func(_ *world, ref, _ string) []string { return []string{binary, "fetch", ref, "-o", "images"} },
			save: func(_ *world, ref string) []string {
				return []string{binary, "save", ref, "-o", "image.tar", "--format", "oci"}
			},
			push: func(_ *world, ref string) []string { return []string{binary, "push", "images", ref} },
			load: func(_ *world, ref string) []string { return []string{binary, "push", "image.tar", ref} },
		},
		{
			name: "crane",
			fetch: func(_ *world, ref, _ string) []string {
				return []string{"crane", "pull", "--insecure", "--format=oci", ref, "images"}
			},
			save: func(_ *world, ref string) []string {
				return []string{"crane", "pull", "--insecure", ref, "image.tar"}
			},
			push: func(_ *world, ref string) []string {
				return []string{"crane", "push", "--insecure", "images", ref}
			},
		},
		{
			name: "skopeo",
			fetch: func(_ *world, ref, tag string) []string {
				return skopeo("--src-tls-verify=false", "docker://"+ref, "oci:images:"+tag)
			},
			save: func(_ *world, ref string) []string {
				return skopeo("--src-tls-verify=false", "docker://"+ref, "oci-archive:image.tar:1")
			},
			push: func(_ *world, ref string) []string {
				return skopeo("--dest-tls-verify=false", "oci:images", "docker://"+ref)
			},
			load: func(_ *world, ref string) []string {
				return skopeo("--dest-tls-verify=false", "docker-archive:image.tar", "docker://"+ref)
			},
		},
		{
			name: "regctl",
			fetch: func(w *world, ref, tag string) []string {
				return regctl(w, "image", "copy", ref, "ocidir://images:"+tag)
			},
			save: func(w *world, ref string) []string { return regctl(w, "image", "export", ref, "image.tar") },
			push: func(w *world, ref string) []string {
				return regctl(w, "image", "copy", "ocidir://images:1", ref)
			},
			load: func(w *world, ref string) []string { return regctl(w, "image", "import", ref, "image.tar") },
		},
		{
			name: "oras",
			fetch: func(_ *world, ref, tag string) []string {
				return []string{"oras", "copy", "--no-tty", "--from-plain-http", ref, "--to-oci-layout", "images:" + tag}
			},
			push: func(_ *world, ref string) []string {
				return []string{"oras", "copy", "--no-tty", "--to-plain-http", "--from-oci-layout", "images:1", ref}
			},
		},
	}
}

func skopeo(args ...string) []string {
	return append([]string{"skopeo", "--insecure-policy", "copy", "--quiet"}, args...)
}

func regctl(w *world, args ...string) []string {
	return append([]string{"regctl", "--host", "reg=" + w.Addr() + ",tls=disabled"}, args...)
}

// present reports whether the tool can be run.
func (o tool) present() bool {
	if o.name == "drayage" {
		return true
	}
	_, err := exec.LookPath(o.name)
	return err == nil
}

// version is what the tool calls itself, or its name alone.
func (o tool) version(t *testing.T) string {
	args := map[string][]string{"crane": {"version"}, "skopeo": {"--version"},
		"regctl": {"version", "--format", "{{.VCSTag}}"}, "oras": {"version"}}[o.name]
	if args == nil {
		return o.name
	}
	out, err := exec.CommandContext(t.Context(), o.name, args...).Output()
	line, _, _ := strings.Cut(string(out), "\n")
	words := strings.Fields(line)
	if err != nil || len(words) == 0 {
		return o.name
	}
	return o.name + " " + words[len(words)-1]
}
