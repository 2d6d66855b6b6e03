//go:build linux

package bench

import "context"

// copiers copy the image of a data set into an empty registry. The traffic that counts is that of the
// registry that is read.
func copiers(_ context.Context, e *env, d *dataset, addr string) []contender {
	img := d.Images[0]
	from := ref(addr, img)
	all := []pusher{
		{tool: "drayage", commands: func(to, _ string) [][]string {
			return [][]string{e.drayage("copy", from, to)}
		}},
		{tool: "crane", commands: func(to, _ string) [][]string {
			return [][]string{{e.tools.path("crane"), "copy", from, to}}
		}},
	}
	for _, name := range skopeos {
		all = append(all, pusher{tool: name, commands: func(to, _ string) [][]string {
			return [][]string{e.skopeo(name, "docker://"+from, "docker://"+to)}
		}})
	}
	all = append(all,
		pusher{tool: "regctl", commands: func(to, into string) [][]string {
			argv := e.regctl(addr, "--host", "reg="+into+",tls=disabled", "image", "copy", from, to)
			return [][]string{argv}
		}},
		pusher{tool: "oras", commands: func(to, _ string) [][]string {
			return [][]string{{e.tools.path("oras"), "copy", "--no-tty", "--from-plain-http", "--to-plain-http",
				from, to}}
		}})
	return append(e.pushes(img, true, all...), cannot("docker", "copies by way of its own disk"))
}

// fasterThanVerifiers compares with the tools that verify what they copy. oras leaves that to the registry.
func fasterThanVerifiers(factor float64) (all []target) {
	for _, peer := range []string{"skopeo", "crane", "regctl"} {
		all = append(all, fasterThan(peer, "drayage", factor))
	}
	return all
}

// copyScenarios take an image from one registry to another.
func copyScenarios() []scenario {
	return []scenario{
		{id: "copy-loopback", title: "registry to registry, loopback",
			prepare: readScenario("five", direct, copiers),
			targets: append(fasterThanVerifiers(1), memoryBelow(100))},
		{id: "copy-20MBs", title: "registry to registry, 20 MB/s for each request",
			prepare: readScenario("five", paced, copiers),
			targets: append(fasterThanVerifiers(4), memoryBelow(100))},
		{id: "copy-20m-distribution2",
			title:   "registry to registry, nginx with limit_rate 20m before distribution 2",
			prepare: readScenario("304MB", limitedOld, copiers),
			targets: append(fasterThanVerifiers(4), memoryBelow(100))},
	}
}
