// Package mirrorconf makes the files with which container engines pull images by their old names from
// another registry, the mirror. [New] finds out from some images how names of a registry become names in the
// mirror. [Plan.Part] makes the files of one engine, with what to do with them and what the engine cannot do.
// The same images give the same bytes. [Write] puts the files into a folder. No registry is asked.
package mirrorconf

import (
	"fmt"
	"net"
	"strings"

	"drayage/internal/report"
)

// The engines that there are files for.
const (
	Containerd = "containerd"
	Podman     = "podman"
	Docker     = "docker"
	K3s        = "k3s"
	RKE2       = "rke2"
	OpenShift  = "openshift"
)

// Engines lists all engines.
var Engines = []string{Containerd, Podman, Docker, K3s, RKE2, OpenShift}

// alike are other names of an engine, and what reads the same files.
var alike = map[string]string{
	"nerdctl": Containerd, "kubernetes": Containerd, "k8s": Containerd, "kubeadm": Containerd, "cri": Containerd,
	"crio": Podman, "cri-o": Podman, "buildah": Podman, "skopeo": Podman,
	"dockerd": Docker, "moby": Docker, "rancher": RKE2, "ocp": OpenShift, "okd": OpenShift,
}

// Like is the engine whose files another program reads too, or empty.
func Like(program string) string { return alike[strings.ToLower(program)] }

// Mirror is the registry that engines are to pull from.
type Mirror struct {
	Host       string // with its port, if it has one
	PlainHTTP  bool
	SkipVerify bool   // its certificate is not to be verified
	CA         string // the certificates, in PEM, that its certificate is checked against; empty: the system's
	Fallback   bool   // engines may ask the registry of a name for what the mirror does not have
}

// scheme of the addresses of the mirror.
func (m Mirror) scheme() string {
	if m.PlainHTTP {
		return "http"
	}
	return "https"
}

// url is the address of the mirror, without a path.
func (m Mirror) url() string { return m.scheme() + "://" + m.Host }

// skips reports whether a certificate is presented that is not to be verified.
func (m Mirror) skips() bool { return m.SkipVerify && !m.PlainHTTP }

// ca is the certificates that an engine has to be told of.
func (m Mirror) ca() string {
	if m.PlainHTTP {
		return ""
	}
	return m.CA
}

// At reads how a mirror is reached from the address that a user has typed, and from its host. A scheme
// decides. Without one, a host that can only be this machine has no TLS, unless the other fields are about
// TLS.
func (m *Mirror) At(address, host string) {
	m.Host = host
	lower := strings.ToLower(strings.TrimSpace(address))
	switch {
	case strings.HasPrefix(lower, "http://"):
		m.PlainHTTP = true
	case strings.HasPrefix(lower, "https://"), m.CA != "", m.SkipVerify:
	case IsLoopback(host) && !strings.HasSuffix(host, ":443"):
		m.PlainHTTP = true
	}
}

// IsLoopback reports whether a host, with or without a port, can only be the machine that uses the name.
func IsLoopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if ip := net.ParseIP(name); ip != nil {
		return ip.IsLoopback()
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// File is a file of an engine.
type File = report.MirrorFile

// Part is what one engine needs.
type Part struct{ report.MirrorEngine }

func (p *Part) add(path, goes, content string) {
	p.Files = append(p.Files, File{Path: path, GoesTo: goes, Content: content})
}

func (p *Part) step(format string, args ...any) {
	p.Steps = append(p.Steps, fmt.Sprintf(format, args...))
}

func (p *Part) limit(format string, args ...any) {
	p.Limits = append(p.Limits, fmt.Sprintf(format, args...))
}

// Part makes the files of an engine. dir is the folder with all files, as it is typed in a shell.
func (p *Plan) Part(engine, dir string) Part {
	made := Part{report.MirrorEngine{Name: engine, Files: []File{}}}
	map[string]func(*Part, string){
		Containerd: p.containerd, Podman: p.podman, Docker: p.docker, K3s: p.rancher, RKE2: p.rancher,
		OpenShift: p.openshift,
	}[engine](&made, dir)
	for i, name := range p.odd {
		if i == maxOdd {
			made.limit("%d more images cannot be pulled by their old names either", len(p.odd)-i)
			break
		}
		made.limit("%s has another tag in the mirror, or its repository is divided there: no engine can know that",
			name)
	}
	return made
}

// maxOdd is how many images are named that no engine can pull.
const maxOdd = 20

// header is the comment at the beginning of a file.
func header(lines ...string) string {
	text := "# " + written + "\n"
	for _, l := range lines {
		text += "# " + l + "\n"
	}
	return text
}

// written begins each file that may hold a comment: what begins so may be replaced.
const written = "Written by drayage mirrors, which replaces it."

// place is what stands before names in the mirror, for people.
func (p *Plan) place(path string) string {
	return strings.TrimSuffix(p.Mirror.Host+"/"+path, "/") + "/"
}
