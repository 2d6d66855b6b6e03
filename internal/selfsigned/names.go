package selfsigned

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Names lists what clients may call a server that listens on a host, which is empty or unspecified for all
// addresses. More names come first: a person has chosen them.
func Names(more []string, host string) []string {
	names := slices.Clone(more)
	if name, err := os.Hostname(); err == nil && isDNSName(name) {
		names = append(names, strings.ToLower(name))
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "" || err == nil && ip.IsUnspecified():
		names = append(names, interfaces()...)
	case err == nil:
		names = append(names, ip.WithZone("").String())
	default:
		names = append(names, strings.ToLower(host))
	}
	return distinct(append(names, "localhost", "127.0.0.1", "::1"))
}

// Valid reports whether a certificate can hold a name.
func Valid(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil || isDNSName(strings.TrimPrefix(name, "*."))
}

func isDNSName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		odd := func(r rune) bool {
			letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
			return !letter && (r < '0' || r > '9') && r != '-' && r != '_'
		}
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, odd) {
			return false
		}
	}
	return true
}

// inner begins the names of interfaces that containers and virtual machines bring. They come and go, and with
// each the certificate would have to be made anew.
var inner = []string{"docker", "br-", "veth", "virbr", "cni", "flannel", "cali", "podman", "kube", "lxc",
	"lxd", "vmnet", "vEthernet"}

// interfaces lists the addresses of this machine that others reach.
func interfaces() (all []string) {
	list, _ := net.Interfaces() // without them the names are still there
	for _, i := range list {
		isInner := func(prefix string) bool { return strings.HasPrefix(i.Name, prefix) }
		if i.Flags&net.FlagUp == 0 || slices.ContainsFunc(inner, isInner) {
			continue
		}
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
				all = append(all, n.IP.String())
			}
		}
	}
	return all
}

// Dir is where the certificate is kept if nobody has said where: in the folder that systemd gives a service,
// or in the user's own. It is empty if there is neither.
func Dir(getenv func(string) string) string {
	if dir, _, _ := strings.Cut(getenv("STATE_DIRECTORY"), ":"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "tls")
	}
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "drayage", "tls")
	}
	home := getenv("HOME")
	if runtime.GOOS == "windows" {
		if dir := getenv("LocalAppData"); dir != "" {
			return filepath.Join(dir, "drayage", "tls")
		}
		return ""
	}
	if !filepath.IsAbs(home) {
		return ""
	}
	return filepath.Join(home, ".local", "state", "drayage", "tls")
}
