//go:build linux

package bench

import (
	"context"
	"strings"
)

// Command lines that several scenarios need. Each tool runs with its defaults, apart from http and from what
// makes its output right.

func ref(addr string, img image) string { return addr + "/" + img.Name }

// skopeo is quiet, for it would draw a progress bar, and needs no policy file.
func (e *env) skopeo(name string, args ...string) []string {
	return append([]string{e.tools.path(name), "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false",
		"--dest-tls-verify=false"}, args...)
}

func (e *env) regctl(addr string, args ...string) []string {
	return append([]string{e.tools.path("regctl"), "--host", "reg=" + addr + ",tls=disabled"}, args...)
}

func (e *env) drayage(args ...string) []string {
	return append(append([]string{e.tools.path("drayage")}, args...), "--quiet")
}

// skopeos are the names of the skopeos, which do the same work.
var skopeos = []string{"skopeo", "skopeo-new"}

// present gives a contender the reason why it is not measured if its tool is not here.
func (e *env) present(c contender) contender {
	name, _, _ := strings.Cut(c.tool, " ")
	if !c.limit && c.whyNot == "" && e.tools.path(name) == "" {
		c.whyNot = "not here"
	}
	return c
}

func (c contender) isDrayage() bool {
	return c.tool == "drayage" || strings.HasPrefix(c.tool, "drayage ")
}

// withBefore puts the earlier drayage behind each drayage.
func (e *env) withBefore(contenders []contender) (all []contender) {
	for _, c := range contenders {
		all = append(all, c)
		if e.Before == "" || !c.isDrayage() || c.whyNot != "" {
			continue
		}
		before := func(ctx context.Context, r *round) (task, error) {
			t, err := c.task(ctx, r)
			for _, argv := range t.argv {
				if argv[0] == e.tools.path("drayage") {
					argv[0] = e.Before
				}
			}
			return t, err
		}
		all = append(all, contender{tool: c.tool + " before", task: before})
	}
	return all
}

// cannot is a tool that is left out, with the reason.
func cannot(tool, why string) contender { return contender{tool: tool, whyNot: why} }
