package mirrorconf

import (
	"regexp"
	"strings"
)

// rancher writes registries.yaml of k3s and RKE2 (https://docs.k3s.io/installation/private-registry).
func (p *Plan) rancher(made *Part, dir string) {
	if len(p.rules()) == 0 {
		return
	}
	folder := "/etc/rancher/" + made.Name + "/"
	text := header("Old names are pulled from "+p.Mirror.Host+".", "It goes to "+folder+"registries.yaml.") +
		"mirrors:\n"
	for _, h := range p.hosts {
		rewrites := h.rewrites()
		if !h.all && len(rewrites) == 0 {
			continue
		}
		text += "  " + quoted(h.name) + ":\n    endpoint:\n      - " + quoted(p.Mirror.url()) + "\n"
		if len(rewrites) > 0 {
			text += "    rewrite:\n" + strings.Join(rewrites, "")
		}
	}
	ca := p.Mirror.ca()
	if ca != "" || p.Mirror.skips() {
		text += "configs:\n  " + quoted(p.Mirror.Host) + ":\n    tls:\n"
	}
	if ca != "" {
		text += "      ca_file: " + quoted(folder+"drayage-ca.crt") + "\n"
	}
	if p.Mirror.skips() {
		text += "      insecure_skip_verify: true\n"
	}
	below := dir + "/" + made.Name
	made.add(made.Name+"/registries.yaml", folder+"registries.yaml", text)
	made.step("on each node: sudo cp %s/registries.yaml %sregistries.yaml, or add it to the file that is there",
		below, folder)
	if ca != "" {
		made.add(made.Name+"/drayage-ca.crt", folder+"drayage-ca.crt", ca)
		made.step("%s", install(below+"/drayage-ca.crt", folder+"drayage-ca.crt"))
	}
	p.restart(made)
}

// restart says how the nodes take it up.
func (p *Plan) restart(made *Part) {
	server, agent := "k3s", "k3s-agent"
	if made.Name == RKE2 {
		server, agent = "rke2-server", "rke2-agent"
	}
	if !p.Mirror.Fallback {
		made.step("put disable-default-registry-endpoint: true into /etc/rancher/%s/config.yaml, so that nodes "+
			"never ask the registries themselves (since 1.26.13, 1.27.10, 1.28.6 and 1.29.1)", made.Name)
	}
	made.step("systemctl restart %s on servers, %s on agents", server, agent)
}

// rewrites are the lines that change paths. At most one of the patterns fits a repository: their order does
// not count.
func (h host) rewrites() (lines []string) {
	line := func(pattern, to string) { lines = append(lines, "      "+quoted(pattern)+": "+quoted(to)+"\n") }
	if h.all {
		if h.path != "" {
			line("^(.*)$", h.path+"/$1")
		}
		return lines
	}
	for _, r := range h.repositories {
		line("^"+regexp.QuoteMeta(r.from)+"$", r.to)
	}
	return lines
}
