package mirrorconf

import (
	"encoding/json"
	"fmt"
	"strings"
)

const (
	dockerHub    = "docker.io"
	dockerCerts  = "/etc/docker/certs.d/"
	dockerDaemon = "/etc/docker/daemon.json"
)

// daemonJSON is the part of Docker's daemon.json that is about mirrors.
type daemonJSON struct {
	Mirrors  []string `json:"registry-mirrors,omitempty"`
	Insecure []string `json:"insecure-registries,omitempty"`
}

// docker writes what dockerd takes. Its own mirrors are for Docker Hub only, and their addresses name no path
// of repositories. With the containerd image store, since 28, it reads a hosts.toml for each registry too. A
// script is for all others.
func (p *Plan) docker(made *Part, dir string) {
	daemon := p.daemon(made)
	if len(daemon.Mirrors)+len(daemon.Insecure) > 0 {
		raw, _ := json.MarshalIndent(daemon, "", "  ") // it has strings only
		made.add("docker/daemon.json", dockerDaemon, string(raw)+"\n")
		made.step("put what is in %s/docker/daemon.json into %s, then systemctl reload docker", dir, dockerDaemon)
	}
	if ca := p.Mirror.ca(); ca != "" {
		goes := dockerCerts + p.Mirror.Host + "/ca.crt"
		made.add("docker/ca.crt", goes, ca)
		made.step("%s", install(dir+"/docker/ca.crt", goes))
	}
	before := len(made.Files)
	for _, h := range p.hosts {
		p.addHosts(made, h, "docker/certs.d/", dockerCerts)
	}
	if len(made.Files) > before {
		made.step("Docker 28 and later with the containerd image store, which new installations of 29 have: "+
			"sudo mkdir -p %s && sudo cp -R %s/docker/certs.d/. %[1]s (no restart)", dockerCerts, dir)
	}
	p.pullScript(made, dir, len(daemon.Mirrors) > 0)
}

// daemon is the part of daemon.json.
func (p *Plan) daemon(made *Part) (d daemonJSON) {
	for _, h := range p.hosts {
		switch {
		case h.name != dockerHub:
		case h.all && h.path == "":
			d.Mirrors = []string{p.Mirror.url()}
			made.limit("dockerd without hosts.toml asks docker.io itself for what the mirror does not have")
		default:
			made.limit("registry-mirrors has to be a registry with the images of docker.io under their own paths, "+
				"and here they are at %s: dockerd needs hosts.toml or pull.sh for them", p.place(h.path))
		}
	}
	if p.Mirror.skips() || p.Mirror.PlainHTTP && !IsLoopback(p.Mirror.Host) {
		d.Insecure = []string{p.Mirror.Host}
	}
	return d
}

// maxPinned is how many names are listed that the script has no line for.
const maxPinned = 3

// pullScript adds a script that pulls what dockerd finds in no other way, and gives it its old names.
func (p *Plan) pullScript(made *Part, dir string, hub bool) {
	var lines, pinned []string
	others := false
	for _, im := range p.images {
		switch {
		case im.From.Registry == dockerHub && hub:
			continue
		case im.From.Tag == "" || im.To.Tag == "":
			pinned = append(pinned, im.From.String())
			continue
		}
		others = others || im.From.Registry != dockerHub
		lines = append(lines, fmt.Sprintf("pull %s %s", im.To.Tagged(), im.From.Tagged()))
	}
	if others {
		made.limit("dockerd without the containerd image store knows mirrors of docker.io only")
	}
	if n := len(pinned); n > maxPinned {
		pinned = append(pinned[:maxPinned], fmt.Sprintf("and %d more", n-maxPinned))
	}
	if len(pinned) > 0 {
		made.limit("docker tag gives no name with a digest: pull.sh has no line for %s",
			strings.Join(pinned, ", "))
	}
	if len(lines) == 0 {
		return
	}
	text := "#!/bin/sh\n" + header("It pulls images from "+p.Mirror.Host+" and gives them their old names.",
		"It is for a Docker that knows no mirror of their registries.") +
		"set -e\npull() {\n  docker pull \"$1\"\n  docker tag \"$1\" \"$2\"\n  docker rmi \"$1\"\n}\n" +
		strings.Join(lines, "\n") + "\n"
	made.add("docker/pull.sh", "any folder", text)
	made.step("any other Docker: sh %s/docker/pull.sh pulls images by their new names and gives them the old "+
		"ones", dir)
}
