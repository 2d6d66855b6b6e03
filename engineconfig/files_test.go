package engineconfig_test

import (
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"drayage/engineconfig"
	"drayage/internal/fakeregistry"
	"drayage/registry"
)

// write makes a file and its directories.
func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// home makes the user's configuration one that only the test writes in.
func home(t *testing.T) string {
	dir := t.TempDir()
	for _, name := range []string{"HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DOCKER_CONFIG"} {
		t.Setenv(name, dir)
	}
	for _, name := range []string{"REGISTRY_AUTH_FILE", "DOCKER_AUTH_CONFIG", "CONTAINERS_REGISTRIES_CONF"} {
		t.Setenv(name, "")
	}
	return dir
}

func TestFilesOfTheEnginesCount(t *testing.T) {
	fake := fakeregistry.New()
	fake.RequireBasic("ann", "secret")
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	dir := home(t)
	write(t, filepath.Join(dir, "containerd/certs.d/corp.test/hosts.toml"), `server = "`+server.URL+`"`)
	host := server.Listener.Addr().String()
	write(t, filepath.Join(dir, "config.json"), `{"auths":{"`+host+`":{"username":"ann","password":"secret"}}}`)
	client := engineconfig.NewClient(nil, nil)
	defer client.Close()
	if err := client.Ping(t.Context(), "corp.test"); err != nil {
		t.Errorf("with the password in config.json: %v", err)
	}
	write(t, filepath.Join(dir, "config.json"), `{}`)
	anonymous := engineconfig.NewClient(nil, nil)
	defer anonymous.Close()
	if err := anonymous.Ping(t.Context(), "corp.test"); !errors.Is(err, registry.ErrDenied) {
		t.Errorf("without a password: %v", err)
	}
}

func TestBlockedRegistriesAreNotAsked(t *testing.T) {
	dir := home(t)
	write(t, filepath.Join(dir, "containers/registries.conf"),
		"[[registry]]\nlocation = \"corp.test\"\nblocked = true\n")
	_, err := new(engineconfig.Hosts).Endpoints(registry.Reference{Registry: "corp.test", Repository: "a"})
	if !errors.Is(err, engineconfig.ErrBlocked) {
		t.Errorf("got %v", err)
	}
}
