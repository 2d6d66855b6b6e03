package mirrorconf

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

const containerdCerts = "/etc/containerd/certs.d/"

// containerd writes a hosts.toml for each registry
// (https://github.com/containerd/containerd/blob/main/docs/hosts.md).
func (p *Plan) containerd(made *Part, dir string) {
	for _, h := range p.hosts {
		p.addHosts(made, h, "containerd/", containerdCerts)
	}
	if len(made.Files) == 0 {
		return
	}
	made.step("sudo mkdir -p %s && sudo cp -R %s/containerd/. %[1]s (no restart)", containerdCerts, dir)
	made.step("Kubernetes: /etc/containerd/config.toml needs config_path = %q, in 1.x under "+
		"[plugins.\"io.containerd.grpc.v1.cri\".registry], in 2.x under "+
		"[plugins.\"io.containerd.cri.v1.images\".registry]; restart containerd after that; 2.2 and later "+
		"need neither", strings.TrimSuffix(containerdCerts, "/"))
	made.step("ctr needs --hosts-dir %s, nerdctl finds the files by itself",
		strings.TrimSuffix(containerdCerts, "/"))
}

// addHosts adds the hosts.toml of a registry below a folder, and the certificates that it names.
func (p *Plan) addHosts(made *Part, h host, below, goes string) {
	if !h.all {
		if len(h.repositories) > 0 {
			made.limit("%s: hosts.toml puts one path before all names of a registry, and the mirror has these "+
				"images in several places: there is no file for it", h.name)
		}
		return
	}
	folder := folderOf(h.name) + "/"
	made.add(below+folder+"hosts.toml", goes+folder+"hosts.toml", p.hostsTOML(h, goes+folder))
	if ca := p.Mirror.ca(); ca != "" {
		made.add(below+folder+"ca.crt", goes+folder+"ca.crt", ca)
	}
}

// hostsTOML is one hosts.toml. Without Fallback the mirror stands in for the server itself: then nothing
// else is asked. Versions before 2 know no capability besides these.
func (p *Plan) hostsTOML(h host, folder string) string {
	text := header("Images of "+h.name+" are pulled from "+p.place(h.path), "It goes to "+folder+"hosts.toml")
	address, indent := p.Mirror.url(), ""
	if h.path != "" {
		address += "/v2/" + h.path
	}
	if p.Mirror.Fallback {
		text += fmt.Sprintf("[host.%s]\n", quoted(address))
		indent = "  "
	} else {
		text += "server = " + quoted(address) + "\n"
	}
	lines := []string{`capabilities = ["pull", "resolve"]`}
	if h.path != "" {
		lines = append(lines, "override_path = true")
	}
	if p.Mirror.ca() != "" {
		lines = append(lines, `ca = "ca.crt"`)
	}
	if p.Mirror.skips() {
		lines = append(lines, "skip_verify = true")
	}
	text += indent + strings.Join(lines, "\n"+indent) + "\n"
	if !p.Mirror.Fallback {
		text += "\n[host] # containerd before 2.0 wants this table\n"
	}
	return text
}

// folderOf is what containerd calls the folder of a registry. A name with a port is written so that Windows
// takes it too; since 1.5 that form is looked for first everywhere.
func folderOf(name string) string {
	if _, port, err := net.SplitHostPort(name); err == nil {
		return strings.TrimSuffix(name, ":"+port) + "_" + port + "_"
	}
	return name
}

// quoted is a string of TOML, YAML and JSON: names of hosts and repositories have no characters about which
// these differ.
func quoted(s string) string { return strconv.Quote(s) }
