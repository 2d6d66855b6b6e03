package hostconfig

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocumentedFiles puts the examples of docs/registries.md to work. Each is an indented block that
// begins with the path of the file.
func TestDocumentedFiles(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "registries.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples := map[string]string{}
	var name string
	for line := range strings.Lines(string(raw)) {
		text := strings.TrimSpace(line)
		switch {
		case text != "" && !strings.HasPrefix(line, "    "):
			name = ""
		case strings.HasPrefix(text, "# /etc/"):
			name = strings.TrimPrefix(text, "# /etc/")
		case name != "":
			examples[name] += line
		}
	}
	hub := "https://registry-1.docker.io/v2/ library/alpine "
	for file, want := range map[string]string{
		"containerd/certs.d/docker.io/hosts.toml": lines(
			"https://mirror.corp/v2/ library/alpine pull resolve mirror=mirror.corp ns=docker.io cas=1",
			"https://public-mirror.example/hub/v2/ library/alpine pull mirror=public-mirror.example ns=docker.io",
			hub+all),
		"containers/registries.conf.d/mirror.conf": lines(
			"//mirror.corp:5000/v2/ hub/library/alpine "+reading+" mirror=mirror.corp:5000",
			"//192.0.2.7:5000/v2/ library/alpine "+reading+" mirror=192.0.2.7:5000 unverified or-http",
			strings.TrimPrefix(hub, "https:")+all),
		"containers/registries.conf.d/behind-the-gap.conf": "//registry.corp/v2/ hub/library/alpine " + reading +
			" mirror=registry.corp",
	} {
		text := examples[file]
		delete(examples, file)
		if text == "" {
			t.Errorf("no example for %s", file)
			continue
		}
		in := "registries.conf.d/" + path.Base(file)
		if path.Base(file) == "hosts.toml" {
			in = "containerd/docker.io/hosts.toml"
		}
		files, _ := tree(t, map[string]string{in: text,
			"containerd/docker.io/mirror-ca.pem": newAuthority(t, "ca").pem})
		if in != "containerd/docker.io/hosts.toml" {
			files.ContainerdCerts = nil
		}
		if got := endpoints(t, files, "docker.io/library/alpine"); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
		}
	}
	for file := range examples {
		t.Errorf("the example %s is not tested", file)
	}
}
