//go:build linux

package bench

import "strings"

// Command lines that several scenarios need. Each tool runs with its defaults, apart from http and from what makes its output right.

func ref(addr string, img image) string { return addr + "/" + img.Name }

// skopeo is quiet, for it would draw a progress bar, and needs no policy file.
func (e *env) skopeo(name string, args ...string) []string {
	return append([]string{e.tools.path(name), "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"}, args...)
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

// cannot is a tool that is left out, with the reason.
func cannot(tool, why string) contender { return contender{tool: tool, whyNot: why} }
