// Package pullers knows what each engine needs to pull from a registry: the command, and the file that it
// wants for a registry without TLS or with a certificate that nobody has signed. [For] tells it.
package pullers

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// How a registry is reached.
type How int

// The ways.
const (
	Trusted    How = iota // TLS with a certificate that engines trust anyway, for all that is known
	SelfSigned            // TLS with a certificate that they have to be given
	Plain                 // http
)

// Engine is what one kind of engine needs.
type Engine struct {
	Name    string // docker
	Command string // to pull, with %s where the image's name goes
	Login   string // the command that comes before if a password is asked for; empty: it is a matter of files
	Path    string // of the file that it needs; empty: none
	Content string // of that file; empty: the certificate
	Then    string // what makes it take effect, or nothing
}

// Pull is the command for an image.
func (e *Engine) Pull(name string) string { return strings.ReplaceAll(e.Command, "%s", name) }

// Told is which file the engine needs, as lines for people: with its content, if that is not the certificate.
func (e *Engine) Told() []string {
	if e.Content == "" {
		return []string{fmt.Sprintf("%-24s %s", e.Name, e.Path)}
	}
	lines := []string{fmt.Sprintf("%-24s %s:", e.Name, e.Path)}
	text := strings.TrimSuffix(e.Content, "\n")
	if e.Then != "" {
		text += "\n# " + e.Then
	}
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, "    "+line)
	}
	return lines
}

// For lists the engines for the registry at host, HOST:PORT.
func For(host string, how How) []Engine {
	return []Engine{docker(host, how), podman(host, how), containerd(host, how), k3s(host, how)}
}

func docker(host string, how How) Engine {
	e := Engine{Name: "docker", Command: "docker pull %s", Login: "docker login " + host}
	switch {
	case how == SelfSigned:
		e.Path = "/etc/docker/certs.d/" + host + "/ca.crt"
	case how == Plain && !isLoopback(host): // there docker takes http by itself
		e.Path, e.Content = "/etc/docker/daemon.json", "{\"insecure-registries\": [\""+host+"\"]}\n"
		e.Then = "systemctl reload docker"
	}
	return e
}

func podman(host string, how How) Engine {
	e := Engine{Name: "podman, skopeo", Command: "podman pull %s", Login: "podman login " + host}
	switch how {
	case SelfSigned:
		e.Path = "/etc/containers/certs.d/" + host + "/ca.crt"
	case Plain:
		e.Command, e.Login = "podman pull --tls-verify=false %s", "podman login --tls-verify=false "+host
		e.Path = "/etc/containers/registries.conf.d/50-drayage.conf"
		e.Content = "[[registry]]\nlocation = \"" + host + "\"\ninsecure = true\n"
	}
	return e
}

// The folder in which containerd looks for hosts.toml is one that people choose; this is the usual one
// (https://github.com/containerd/containerd/blob/main/docs/hosts.md).
func containerd(host string, how How) Engine {
	e := Engine{Name: "containerd", Command: "ctr images pull %s", Login: "ctr images pull --user NAME ..."}
	dir := "/etc/containerd/certs.d/" + host
	switch how {
	case SelfSigned:
		e.Command = "ctr images pull --hosts-dir /etc/containerd/certs.d %s"
		e.Path = dir + "/hosts.toml"
		e.Content = "server = \"https://" + host + "\"\n[host.\"https://" + host + "\"]\n" +
			"  capabilities = [\"pull\", \"resolve\"]\n  ca = \"" + dir + "/ca.crt\"\n"
		e.Then = "the certificate goes to " + dir + "/ca.crt"
	case Plain:
		e.Command = "ctr images pull --plain-http %s"
		e.Path = dir + "/hosts.toml"
		e.Content = "server = \"http://" + host + "\"\n[host.\"http://" + host + "\"]\n" +
			"  capabilities = [\"pull\", \"resolve\"]\n"
	}
	return e
}

func k3s(host string, how How) Engine {
	e := Engine{Name: "k3s, RKE2", Command: "crictl pull %s"}
	switch how {
	case SelfSigned:
		e.Path = "/etc/rancher/k3s/registries.yaml"
		e.Content = "configs:\n  \"" + host + "\":\n    tls:\n      ca_file: /etc/rancher/k3s/drayage.crt\n"
		e.Then = "the certificate goes to /etc/rancher/k3s/drayage.crt; systemctl restart k3s"
	case Plain:
		e.Path = "/etc/rancher/k3s/registries.yaml"
		e.Content = "mirrors:\n  \"" + host + "\":\n    endpoint:\n      - \"http://" + host + "\"\n"
		e.Then = "systemctl restart k3s"
	}
	return e
}

func isLoopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	ip, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return name == "localhost" || err == nil && ip.IsLoopback()
}

// ValidHost reports whether a text can be the host of a registry in a name, with or without a port. It is for
// what clients say: nothing else is shown to people.
func ValidHost(host string) bool {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.Trim(host, "[]"), "443"
	}
	if len(port) > 5 || strings.Trim(port, "0123456789") != "" || port == "" || len(name) > 253 {
		return false
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.Zone() == "" // the zone may be any text
	}
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.'
	}
	return name != "" && !strings.ContainsFunc(name, odd) && !strings.HasPrefix(name, "-") &&
		!strings.HasPrefix(name, ".")
}
