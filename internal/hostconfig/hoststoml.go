package hostconfig

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// hostsFile is containerd's hosts.toml (https://github.com/containerd/containerd/blob/main/docs/hosts.md).
type hostsFile struct {
	path   string
	server hostTable // the root table
	hosts  []hostTable
}

// hostTable is one [host."address"], or the root table, whose address is that of server.
type hostTable struct {
	address      string
	Capabilities []string       `toml:"capabilities"`
	CA           any            `toml:"ca"`
	Client       any            `toml:"client"`
	SkipVerify   *bool          `toml:"skip_verify"`
	Header       map[string]any `toml:"header"`
	OverridePath bool           `toml:"override_path"`
	DialTimeout  string         `toml:"dial_timeout"`
	Proxy        string         `toml:"proxy"`
}

func (f Files) containerdDir(registry string) string {
	if !plainHost(registry) {
		return ""
	}
	for _, root := range f.ContainerdCerts {
		for _, name := range containerdNames(registry, runtime.GOOS) {
			if dir := filepath.Join(root, name); isDir(dir) {
				return dir
			}
		}
	}
	return ""
}

func containerdNames(registry, goos string) []string {
	names := []string{fileName(registry, goos), "_default"}
	if host, port, err := net.SplitHostPort(registry); err == nil {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		names = slices.Insert(names, 0, fileName(host, goos)+"_"+port+"_")
	}
	return names
}

// readHosts returns the hosts.toml in dir, or nil if there is no dir, no file, or nothing in it.
func readHosts(dir string) (*hostsFile, error) {
	path := filepath.Join(dir, "hosts.toml")
	if dir == "" || !exists(path) {
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
	if err := decode(path, raw, &doc); err != nil {
		return nil, err
	}
	f := &hostsFile{path: path, server: doc.hostTable}
	f.server.address = doc.Server
	// The hosts are tried in the order in which the file names them.
	for _, address := range keysBelow(raw, "host") {
		table := doc.Host[address]
		table.address = address
		f.hosts = append(f.hosts, table)
	}
	return f, nil
}

// endpoints turns the file into endpoints for a repository: the hosts, then the server.
func (f *hostsFile) endpoints(registry, repository string) ([]Endpoint, error) {
	var all []Endpoint
	for _, table := range f.hosts {
		e, err := f.endpoint(table, registry, repository)
		if err == nil && table.address == "" {
			err = errors.New("it has no address")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: host %q: %w", f.path, withoutUser(table.address), err)
		}
		// containerd pushes to a mirror without capabilities. That is rarely meant.
		if e.Mirror && len(table.Capabilities) == 0 {
			e.Push = false
		}
		all = append(all, e)
	}
	server, err := f.endpoint(f.server, registry, repository)
	if err != nil && f.server.address == "" {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: server %q: %w", f.path, withoutUser(f.server.address), err)
	}
	return append(all, server), nil
}

func (f *hostsFile) endpoint(t hostTable, registry, repository string) (Endpoint, error) {
	e := own(registry, repository)
	// Without an address the table is about the registry itself. As with containerd, that can do everything.
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
		e.Registry = e.URL.Host
		e.Namespace = registry
	}
	if err := e.setConnection(t); err != nil {
		return e, err
	}
	return e, f.setTLS(&e, t)
}

func (e *Endpoint) setConnection(t hostTable) (err error) {
	if e.Header, err = readHeader(t.Header); err != nil {
		return fmt.Errorf("header %w", err)
	}
	if e.DialTimeout, err = readDuration(t.DialTimeout); err != nil {
		return fmt.Errorf("dial_timeout: %w", err)
	}
	if e.Proxy, err = readProxy(t.Proxy); err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	return nil
}

// setTLS reads what concerns TLS. On an http address it means to containerd: try https first.
func (f *hostsFile) setTLS(e *Endpoint, t hostTable) error {
	e.SkipVerify = t.SkipVerify != nil && *t.SkipVerify
	if err := f.addCAs(e, t.CA); err != nil {
		return fmt.Errorf("ca: %w", err)
	}
	if err := f.addClients(e, t.Client); err != nil {
		return fmt.Errorf("client: %w", err)
	}
	explicit := t.SkipVerify != nil || t.CA != nil || t.Client != nil
	if explicit && e.URL.Scheme == "http" && e.URL.Port() != "80" {
		e.URL.Scheme, e.FallbackHTTP = "", true
	}
	return nil
}

func (f *hostsFile) addCAs(e *Endpoint, value any) error {
	files, err := oneOrMore(value)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := e.addCA(f.beside(file)); err != nil {
			return err
		}
	}
	return nil
}

func (f *hostsFile) addClients(e *Endpoint, value any) error {
	pairs, err := clientPairs(value)
	if err != nil {
		return err
	}
	for _, pair := range pairs {
		key := ""
		if pair.key != "" {
			key = f.beside(pair.key)
		}
		err := e.addPair(f.beside(pair.cert), key)
		if errors.Is(err, errNoKey) {
			return fmt.Errorf(`%w; a certificate and its key in another file are written [["x.cert", "x.key"]]`, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// beside resolves a path in the file, which is relative to the directory of the file.
func (f *hostsFile) beside(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(f.path), name)
}

// withoutUser is an address for messages, without the user and password in it.
func withoutUser(address string) string {
	return address[strings.LastIndex(address, "@")+1:]
}

// setCapabilities takes away what is not named. No name at all means everything.
func (e *Endpoint) setCapabilities(names []string) error {
	if len(names) == 0 {
		return nil
	}
	e.Digests, e.Tags, e.Push = false, false, false
	for _, name := range names {
		switch strings.ToLower(name) {
		case "pull":
			e.Digests = true
		case "resolve":
			e.Tags = true
		case "referrers": // registries are asked for them wherever they are asked for manifests
		case "push":
			e.Push = true
		default:
			return fmt.Errorf("unknown capability %q: there are pull, resolve, push and referrers", name)
		}
	}
	return nil
}
