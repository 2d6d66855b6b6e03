package hostconfig

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// hostsFile is containerd's hosts.toml (https://github.com/containerd/containerd/blob/main/docs/hosts.md).
type hostsFile struct {
	path   string
	server hostTable // the root table
	hosts  []hostTable
}

// hostTable is one [host."address"], or the root table with the address of server.
type hostTable struct {
	address      string
	Capabilities []string     `toml:"capabilities"`
	CA           oneOrMore    `toml:"ca"`
	Client       clientPairs  `toml:"client"`
	SkipVerify   *bool        `toml:"skip_verify"`
	Header       headerTable  `toml:"header"`
	OverridePath bool         `toml:"override_path"`
	DialTimeout  positive     `toml:"dial_timeout"`
	Proxy        proxyAddress `toml:"proxy"`
}

// containerdDir returns the directory that containerd reads for a registry, or "".
func (f Files) containerdDir(registry string) string {
	if !plainHost(registry) {
		return ""
	}
	for _, root := range f.ContainerdCerts {
		for _, name := range containerdNames(registry) {
			if dir := filepath.Join(root, name); isDir(dir) {
				return dir
			}
		}
	}
	return ""
}

func containerdNames(registry string) []string {
	names := []string{registry, "_default"}
	if host, port, err := net.SplitHostPort(registry); err == nil {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		names = slices.Insert(names, 0, host+"_"+port+"_")
	}
	if runtime.GOOS == "windows" {
		for i := range names {
			names[i] = strings.ReplaceAll(names[i], ":", "")
		}
	}
	return names
}

// readHosts returns the hosts.toml in dir, or nil if there is none or it is empty.
func readHosts(dir string) (*hostsFile, error) {
	path := filepath.Join(dir, "hosts.toml")
	if !exists(path) {
		return nil, nil
	}
	raw, err := readFile(path)
	if err != nil || len(raw) == 0 {
		return nil, err
	}
	return parseHosts(path, raw)
}

func parseHosts(path string, raw []byte) (*hostsFile, error) {
	var doc struct {
		hostTable
		Server string               `toml:"server"`
		Host   map[string]hostTable `toml:"host"`
	}
	meta, err := decode(path, raw, &doc)
	if err != nil {
		return nil, err
	}
	f := &hostsFile{path: path, server: doc.hostTable}
	f.server.address = doc.Server
	for _, address := range hostOrder(meta) {
		table := doc.Host[address]
		table.address = address
		f.hosts = append(f.hosts, table)
	}
	return f, nil
}

// hostOrder lists the addresses of the [host] tables in the order in which the file first names them, which is that in which
// they are tried.
func hostOrder(meta toml.MetaData) []string {
	var order []string
	seen := map[string]bool{}
	for _, key := range meta.Keys() {
		if len(key) > 1 && strings.EqualFold(key[0], "host") && !seen[key[1]] {
			seen[key[1]] = true
			order = append(order, key[1])
		}
	}
	return order
}

// endpoints turns the file into endpoints for a repository: the hosts, then the server.
func (f *hostsFile) endpoints(registry, repository string) ([]Endpoint, error) {
	var all []Endpoint
	for _, table := range f.hosts {
		e, err := f.endpoint(table, registry, repository)
		if err != nil {
			return nil, fmt.Errorf("%s: host %q: %w", f.path, table.address, err)
		}
		e.Push = !e.Mirror && len(table.Capabilities) == 0 || slices.ContainsFunc(table.Capabilities, isPush)
		all = append(all, e)
	}
	server, err := f.endpoint(f.server, registry, repository)
	if err != nil {
		return nil, fmt.Errorf("%s: server %q: %w", f.path, f.server.address, err)
	}
	return append(all, server), nil
}

func (f *hostsFile) endpoint(t hostTable, registry, repository string) (Endpoint, error) {
	e := own(registry, repository)
	e.Source = f.path
	if t.address != "" {
		var err error
		if e.URL, err = parseAddress(t.address, t.OverridePath); err != nil {
			return e, err
		}
		if err := e.setCapabilities(t.Capabilities); err != nil {
			return e, err
		}
	}
	if e.Mirror = !isOwn(e.URL, registry); e.Mirror {
		e.Namespace = registry
	}
	e.Header, e.DialTimeout, e.Proxy = http.Header(t.Header), time.Duration(t.DialTimeout), t.Proxy.url
	e.setHostTLS(t)
	return e, f.addCerts(&e, t)
}

// setHostTLS follows containerd in reading settings for TLS on an http address as: try https first.
func (e *Endpoint) setHostTLS(t hostTable) {
	e.SkipVerify = t.SkipVerify != nil && *t.SkipVerify
	explicit := t.SkipVerify != nil || len(t.CA) > 0 || len(t.Client) > 0
	if explicit && e.URL.Scheme == "http" && e.URL.Port() != "80" {
		e.URL.Scheme = "https"
		e.FallbackHTTP = true
	}
}

func (f *hostsFile) addCerts(e *Endpoint, t hostTable) error {
	for _, ca := range t.CA {
		if err := e.addCA(f.beside(ca)); err != nil {
			return fmt.Errorf("ca: %w", err)
		}
	}
	for _, pair := range t.Client {
		cert, key := f.beside(pair[0]), ""
		if pair[1] != "" {
			key = f.beside(pair[1])
		}
		err := e.addPair(cert, key)
		if errors.Is(err, errNoKey) {
			return fmt.Errorf("client: %w; certificate and key in two files are written [[%q, %q]]", err, "x.cert", "x.key")
		}
		if err != nil {
			return fmt.Errorf("client: %w", err)
		}
	}
	return nil
}

// beside resolves a path in the file, which is relative to the file's directory.
func (f *hostsFile) beside(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(f.path), name)
}

func isPush(capability string) bool { return strings.EqualFold(capability, "push") }

// setCapabilities reads capabilities; none means all.
func (e *Endpoint) setCapabilities(names []string) error {
	if len(names) == 0 {
		e.allowAll()
		return nil
	}
	e.Pull, e.Resolve, e.Referrers, e.Push = false, false, false, false
	for _, name := range names {
		switch strings.ToLower(name) {
		case "pull":
			e.Pull = true
		case "resolve":
			e.Resolve = true
		case "referrers":
			e.Referrers = true
		case "push":
			e.Push = true
		default:
			return fmt.Errorf("unknown capability %q: there are pull, resolve, push and referrers", name)
		}
	}
	return nil
}
