package hostconfig

import (
	"strings"
	"testing"

	"github.com/distribution/reference"
)

// checkEndpoint holds for every endpoint, whatever the file.
func checkEndpoint(t *testing.T, e Endpoint, registry string) {
	t.Helper()
	u := &e.URL
	if u.Scheme != "" && u.Scheme != "https" && u.Scheme != "http" || u.Host == "" ||
		strings.ContainsAny(u.Host, `/\`) {
		t.Errorf("address %q", u)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || !strings.HasPrefix(u.Path, "/") ||
		!strings.HasSuffix(u.Path, "/") ||
		strings.Contains(u.Path, "//") || strings.Contains(u.Path, "/../") {
		t.Errorf("address %q is not the root of an API", u)
	}
	if e.FallbackHTTP && u.Scheme != "" {
		t.Errorf("%s does not fall back to http", u)
	}
	if e.Mirror == isOwn(*u, registry) {
		t.Errorf("%s is a mirror of %s: %v", u, registry, e.Mirror)
	}
	if !e.Mirror && e.Namespace != "" {
		t.Errorf("namespace %q for the registry itself", e.Namespace)
	}
}

func FuzzHosts(f *testing.F) {
	for _, seed := range []string{
		"",
		"server = 'https://docker.io'\n[host.'https://registry-1.docker.io']\ncapabilities = ['pull', 'resolve']",
		"[host.'http://m.corp:5000/a/../b/']\nskip_verify = true\ndial_timeout = '1s'\nproxy = " +
			"'socks5://p.corp:1'\n[host.'http://m.corp:5000/a/../b/'.header]\nx = ['a', 'b']",
		"host = {b = {override_path = true}, a = {ca = ['x'], client = [['a', 'b'], 'c']}}",
		"[host]\nx.capabilities = []\n[Host.y]",
		"server = 'http://R.corp:443//v2//'\ncapabilities = ['PUSH']",
		"[host.'a%2f..']\n[host.'[::1%25eth0]:5000']\n[host.'user:pw@h?q#f']",
		"host." + strings.Repeat("a.", 50) + "b = 1",
		"ca = " + strings.Repeat("[", 50),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := parseHosts("/nowhere/hosts.toml", raw)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "/nowhere/hosts.toml: line ") {
				t.Errorf("error without its place: %v", err)
			}
			return
		}
		seen := map[string]bool{}
		for i := range file.hosts {
			if seen[file.hosts[i].address] {
				t.Errorf("host %q twice", file.hosts[i].address)
			}
			seen[file.hosts[i].address] = true
			checkFiles(t, &file.hosts[i])
		}
		checkFiles(t, &file.server)
		found, err := file.endpoints("r.corp", "team/app")
		if err != nil {
			return
		}
		if len(found) != len(file.hosts)+1 {
			t.Fatalf("%d endpoints of %d hosts and a server", len(found), len(file.hosts))
		}
		for i, e := range found {
			checkEndpoint(t, e, "r.corp")
			if i < len(file.hosts) && e.Mirror && e.Push && len(file.hosts[i].Capabilities) == 0 {
				t.Errorf("%s is pushed to unasked", e.URL.Host)
			}
		}
	})
}

// checkFiles reads the names of files in a table and then takes them away, so that the fuzzer opens none.
func checkFiles(t *testing.T, table *hostTable) {
	if _, err := oneOrMore(table.CA); err == nil {
		table.CA = nil
	}
	pairs, err := clientPairs(table.Client)
	if err != nil {
		return
	}
	if list, ok := table.Client.([]any); ok && len(pairs) != len(list) {
		t.Errorf("%d pairs of %d", len(pairs), len(list))
	}
	table.Client = nil
}

func FuzzRegistries(f *testing.F) {
	for _, seed := range []string{
		"",
		"[[registry]]\nprefix = 'r.corp/team'\nlocation = 'm.corp:5000/x'\n[[registry.mirror]]\nlocation = " +
			"'docker.io/y'\ninsecure = true\npull-from-mirror = 'tag-only'",
		"[[registry]]\nprefix = '*.corp'\nblocked = true\n[[registry]]\nlocation = " +
			"'r.corp/team/app/'\nmirror-by-digest-only = true\nmirror = [{location = 'm'}]",
		"[registries.block]\nregistries = ['r.corp']\n[registries.insecure]\nregistries = ['r.corp', '']",
		"[[registry]]\nlocation = 'r.corp'\n[[registry.mirror]]\nlocation = " +
			"'r.corp/a:tag'\n[[registry.mirror]]\nlocation = '[::1]:5000'",
		"[[registry]]\nlocation = 'r.corp'\n[[registry.mirror]]\nlocation = 'm_x.corp/y'",
		"unqualified-search-registries = ['docker.io']\n[aliases]\na = 'b'",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		all, err := parseRegistries("/nowhere/registries.conf", raw)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "/nowhere/registries.conf: ") {
				t.Errorf("error without its file: %v", err)
			}
			return
		}
		if again := merge(all, all); len(again) != len(all) {
			t.Errorf("merging a file with itself makes %d tables of %d", len(again), len(all))
		}
		n := find(all, "r.corp", "team/app")
		if n == nil {
			return
		}
		found, err := n.endpoints("r.corp", "team/app")
		if err != nil {
			return
		}
		for i, e := range found {
			checkEndpoint(t, e, "r.corp")
			if _, err := reference.ParseNamed(e.Registry + "/" + e.Repository); err != nil {
				t.Errorf("%s/%s: %v", e.Registry, e.Repository, err)
			}
			if last := i == len(found)-1; e.Push != last {
				t.Errorf("endpoint %d of %d can be pushed to: %v", i, len(found), e.Push)
			}
		}
		if self := found[len(found)-1]; self.Mirror || self.Repository != "team/app" {
			t.Errorf("the last is %s", show(self))
		}
	})
}
